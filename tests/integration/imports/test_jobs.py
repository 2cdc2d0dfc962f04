"""刪除, 還原 and 復原 of many records: jobs of the worker, with the same outcome as direct ones."""

import json
import re

import pytest

from ismp.audit.models import Event
from ismp.hours.models import Deletion, Record
from ismp.hours.records.actions import records
from ismp.imports import actions as import_actions
from ismp.imports import running
from ismp.imports.models import ImportRun, Source, State
from tests.support.portal_files import data
from tests.support.portal_files import row_of_today as row
from tests.support.task_queue import lose, work

pytestmark = pytest.mark.django_db
DELETE = "/manage/learning-map/hours/delete/"
EVERYTHING = {"everything": "1", "field": "title", "q": "資通"}
ROWS = 4


@pytest.fixture(autouse=True)
def few(settings):
    settings.DIRECT_ROWS = ROWS - 1


@pytest.fixture
def bring(import_bytes):
    def take(number=ROWS, **cells):
        return import_bytes(data(*(row(term=str(n), **cells) for n in range(number))))["run"]

    return take


def shown_on(page):
    found = re.search(r'name="shown" value="([^"]*)"', page.content.decode())
    return json.loads(found[1].replace("&quot;", '"'))


def confirm_deletion(clerk):
    shown = shown_on(clerk.post(DELETE, EVERYTHING))
    sent = {**EVERYTHING, "confirmed": "1", "reason": "整批誤植", "shown": json.dumps(shown)}
    return clerk.post(DELETE, sent)


def confirm_undo(clerk, run):
    address = f"/manage/learning-map/runs/{run.pk}/undo/"
    return clerk.post(address, {"shown": json.dumps(shown_on(clerk.get(address)))})


def job_of(answer):
    job = ImportRun.objects.get(source=Source.JOB, state=State.QUEUED)
    assert answer["Location"] == f"/manage/learning-map/runs/{job.pk}/"
    return job


def window(clerk, job):
    return clerk.get(f"/manage/learning-map/runs/{job.pk}/").content.decode()


def event():
    """The newest: what it says, without what is different each time."""
    newest = Event.objects.order_by("-pk").first()
    return newest.verb, newest.actor, newest.agency, newest.detail


def test_a_deletion_its_restoring_and_an_undo_are_what_they_are_directly(clerk, bring, settings):
    run = bring()
    events = {}
    for direct in (True, False):
        settings.DIRECT_ROWS = ROWS if direct else ROWS - 1
        for name, live in (("delete", 0), ("restore", ROWS)):
            if name == "delete":
                answer = confirm_deletion(clerk)
            else:
                last = Deletion.objects.latest("pk")
                answer = clerk.post(f"/manage/learning-map/hours/deleted/{last.pk}/restore/")
            if not direct:
                job = job_of(answer)
                assert "可安心關閉視窗" in window(clerk, job)
                assert Record.objects.live().count() == ROWS - live  # nothing is done yet
                work()
                assert f"{ROWS} 筆時數" in window(clerk, job)
            assert Record.objects.live().count() == live
            events.setdefault(name, []).append(event())
    for name, (directly, in_worker) in events.items():
        assert directly == in_worker, name
    job = job_of(confirm_undo(clerk, run))
    work()
    assert event()[0] == "undo_import"
    assert f"移除 {ROWS} 筆" in window(clerk, job)
    run.refresh_from_db()
    assert (run.undone_by, run.undo_result["removed"]) == ("IC1001", ROWS)
    assert not Record.objects.live().exists()
    assert not Event.objects.filter(subject=f"run:{job.pk}").exists()


def test_what_differs_is_not_done_and_asked_again(clerk, bring):
    run = bring()
    deletion, job = confirm_deletion(clerk), None
    job = job_of(deletion)
    bring(ROWS + 1)
    events = Event.objects.count()
    work()
    page = window(clerk, job)
    assert "請核對新的內容" in page
    assert "重新核對要刪除的時數" in page
    assert Record.objects.live().count() == ROWS + 1
    assert Event.objects.count() == events
    posted = dict(re.findall(r'type="hidden" name="(everything|field|q)" value="([^"]*)"', page))
    assert posted == EVERYTHING
    assert f"刪除 {ROWS + 1} 筆時數？" in clerk.post(DELETE, posted).content.decode()

    job = job_of(confirm_undo(clerk, run))
    bring(1, score="88")
    work()
    page = window(clerk, job)
    assert "請核對新的內容" in page
    assert f"/manage/learning-map/runs/{run.pk}/undo/" in page
    run.refresh_from_db()
    assert run.can_be_undone


def test_a_second_press_is_the_same_job(clerk, bring):
    run = bring()
    address = f"/manage/learning-map/runs/{run.pk}/"
    first = confirm_undo(clerk, run)
    assert confirm_undo(clerk, run)["Location"] == first["Location"]
    assert "復原處理中" in clerk.get(address).content.decode()
    work()
    assert Event.objects.filter(verb="undo_import").count() == 1
    assert "已於" in clerk.get(address).content.decode()


def test_a_deletion_sent_twice_is_one_job(clerk, bring):
    bring()
    answers = [confirm_deletion(clerk) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    job_of(answers[0])


def test_a_job_whose_worker_died_is_done_once(clerk, bring):
    bring()
    job = job_of(confirm_deletion(clerk))
    lose(job)
    assert import_actions.recover() <= 1
    work()
    job.refresh_from_db()
    assert (job.state, job.attempt) == (State.COMPLETED, 2)
    assert Deletion.objects.get().count == ROWS


def test_a_job_that_always_fails_leaves_nothing_and_is_set_aside(clerk, bring, monkeypatch):
    bring()
    job = job_of(confirm_deletion(clerk))

    def fails(*_, **__):
        raise RuntimeError("own fault")

    monkeypatch.setattr(records.trail, "record", fails)  # the last statement of the action
    for _ in range(3):
        with pytest.raises(RuntimeError):
            running.perform(job.pk)
        assert Record.objects.live().count() == ROWS
    monkeypatch.undo()
    job.refresh_from_db()
    assert job.state == State.QUARANTINED
    page = window(clerk, job)
    assert "這項作業連續處理" in page
    assert not Deletion.objects.exists()


def test_who_may_not_any_more_does_not(clerk, bring, account):
    bring()
    job = job_of(confirm_deletion(clerk))
    account("IC1001", "staff")
    work()
    job.refresh_from_db()
    assert job.state == State.REFUSED
    assert "沒有這項作業的權限" in job.reason
    assert Record.objects.live().count() == ROWS


def test_the_window_of_another_agencys_job_does_not_exist(clerk, bring, account):
    bring()
    job = job_of(confirm_deletion(clerk))
    assert "刪除時數" in clerk.get("/manage/learning-map/hours/deleted/").content.decode()
    assert "刪除時數" not in clerk.get("/manage/learning-map/runs/").content.decode()
    clerk.force_login(account("EP1001", "agency_admin"))
    for part in ("", "progress/", "rows/", "report/"):
        assert clerk.get(f"/manage/learning-map/runs/{job.pk}/{part}").status_code == 404


def test_the_pages_of_a_file_answer_for_a_job_too(clerk, bring):
    bring()
    job = job_of(confirm_deletion(clerk))
    for state in ("queued", "done"):
        for part in ("", "progress/", "rows/", "report/", "effect/"):
            status = clerk.get(f"/manage/learning-map/runs/{job.pk}/{part}").status_code
            assert status in {200, 286, 404}, (state, part)
        work()
    answer = clerk.get(f"/manage/learning-map/runs/{job.pk}/undo/")
    assert answer.status_code == 302


def test_odd_effects_shown_are_another_effect(clerk, bring):
    run = bring()
    for odd in ("[]", "NaN", '{"removed": NaN}', '{"removed": "4"}', '"x"', "{}", "1e999"):
        answer = clerk.post(f"/manage/learning-map/runs/{run.pk}/undo/", {"shown": odd})
        assert answer.status_code in {200, 302}, odd
        work()
    assert Record.objects.live().count() == ROWS


def test_a_platform_administrator_deletes_of_all_agencies(
    clerk, bring, account, city, import_bytes
):
    bring()
    other = next(one for one in city if one.active and one.agency_code != "382990001Z")
    own = {"national_id": other.national_id, "name": other.name}
    import_bytes(data(row(**own)), agency=other.agency_code)
    clerk.force_login(account("CU1001", "platform_admin"))
    job = job_of(confirm_deletion(clerk))
    work()
    job.refresh_from_db()
    assert job.state == State.COMPLETED
    assert Deletion.objects.get().count == ROWS + 1
    assert event()[2] == ""
