"""A double click is one action, one event, one message; the second answer is the first one's."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.utils import timezone

from ismp.accounts.models import Account, Department
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.hours.models import Deletion, Record
from ismp.ui.http import once
from ismp.ui.http.uploads import SPOOLING_HANDLERS
from ismp.ui.models import SentForm
from tests.support.concurrency import at_once
from tests.support.examples import EXAMPLES, modules
from tests.support.html_forms import forms_in
from tests.support.portal_files import row, text
from tests.support.sessions import drawn, place, signed_in
from tests.support.things import PDF

HERE = "/manage/departments/"
__all__ = ["place"]  # a fixture


def like(client):
    """Another window of the same browser."""
    window = Client()
    window.cookies = client.cookies.copy()
    return window


@pytest.mark.django_db
def test_each_drawn_form_has_a_key_of_its_own(clerk, things):
    pages = [clerk.get(HERE).content.decode() for _ in range(2)]
    pages.append(clerk.get(f"/manage/devices/{things['devices_id']}/").content.decode())
    keys = [re.findall(r'name="form_key" value="([\w-]{22})"', page) for page in pages]
    tokens = [page.count("csrfmiddlewaretoken") for page in pages]
    assert [len(one) for one in keys] == tokens
    assert len({key for one in keys for key in one}) == sum(tokens)


@pytest.mark.django_db
def test_the_second_answer_is_the_first_ones(clerk):
    data = drawn(clerk, f"{HERE}add/").filled(name="測試科", department="")
    first = like(clerk).post(f"{HERE}add/", data)
    events = Event.objects.count()
    second = like(clerk).post(f"{HERE}add/", data)
    assert (second.status_code, second["Location"]) == (302, first["Location"])
    assert second.cookies["messages"].value == first.cookies["messages"].value
    assert Department.objects.filter(name="測試科").count() == 1
    assert Event.objects.count() == events
    page = clerk.post(f"{HERE}add/", data, follow=True).content.decode()
    assert page.count("已存檔") == 1


@pytest.mark.django_db
def test_another_content_or_another_person_is_another_form(clerk, account):
    data = drawn(clerk, f"{HERE}add/").filled(name="測試一科", department="", is_it=[])
    clerk.post(f"{HERE}add/", data)
    assert clerk.post(f"{HERE}add/", {**data, "name": "測試二科"}).status_code == 302
    assert Department.objects.filter(name__startswith="測試").count() == 2
    other = Client()
    other.force_login(account("EP1001", "agency_admin"))
    other.post(f"{HERE}add/", data)
    assert Department.objects.filter(name="測試一科").count() == 2


@pytest.mark.django_db
def test_a_correction_of_a_correction_is_done_too(clerk):
    """The back button brings the form back twice, the second time to what was there first."""
    agency = Account.objects.get(username="IC1001").agency
    place = Department.objects.create(agency=agency, name="測試科", path="測試科")
    address = f"{HERE}{place.pk}/edit/"
    data = drawn(clerk, address).shown()
    for name in ("測試一科", "測試二科", "測試一科"):
        assert clerk.post(address, {**data, "name": name}).status_code == 302
        place.refresh_from_db()
        assert place.name == name


def test_another_file_of_the_same_name_and_length_is_another_form(settings):
    settings.FILE_UPLOAD_HANDLERS = SPOOLING_HANDLERS
    sent = []
    for content in (b"abc", b"abd", b"abc"):
        request = RequestFactory().post(
            "/", {"form_key": "k", "file": SimpleUploadedFile("a.pdf", content)}
        )
        sent.append(once._contents(request))
        assert request.FILES["file"].read() == content
    assert sent[0] == sent[2] != sent[1]


@pytest.mark.django_db
def test_a_form_with_a_fault_and_a_page_that_asks_first_may_be_sent_again(clerk, account):
    data = drawn(clerk, f"{HERE}add/").filled(name="", department="")
    for _ in range(2):
        assert "請填寫部門" in clerk.post(f"{HERE}add/", data).content.decode()
    taken = {"form_key": "k", "ids": [Account.objects.get(username="IC1002").pk]}
    for _ in range(2):
        assert "確定" in clerk.post("/manage/accounts/appoint/", taken).content.decode()
    assert not SentForm.objects.exists()


@pytest.mark.django_db
def test_what_was_taken_back_is_not_done(clerk, monkeypatch):
    """The event went with the transaction: the form may be sent again."""
    from ismp.accounts.actions import departments as department_actions
    from ismp.accounts.resources import DEPARTMENTS

    save = department_actions.save_department

    def fails(*args, **kwargs):
        save(*args, **kwargs)
        raise ActionRefused("沒有辦法。")

    data = drawn(clerk, f"{HERE}add/").filled(name="測試科", department="")
    was = DEPARTMENTS.save
    object.__setattr__(DEPARTMENTS, "save", fails)
    try:
        assert "沒有辦法" in clerk.post(f"{HERE}add/", data).content.decode()
    finally:
        object.__setattr__(DEPARTMENTS, "save", was)
    assert clerk.post(f"{HERE}add/", data).status_code == 302
    assert Department.objects.filter(name="測試科").count() == 1


@pytest.mark.django_db
def test_without_a_key_a_form_works_as_ever(clerk):
    for name in ("測試一科", "測試二科"):
        assert clerk.post(f"{HERE}add/", {"name": name}).status_code == 302
    assert not SentForm.objects.exists()


@pytest.mark.django_db
def test_the_answer_lies_encrypted_and_is_forgotten_after_a_day(clerk):
    data = drawn(clerk, f"{HERE}add/").filled(name="測試科", department="")
    clerk.post(f"{HERE}add/", data)
    row = SentForm.objects.get()
    assert b"Location" not in bytes(row.answer) and b"messages" not in bytes(row.answer)
    assert once.purge() == 0
    SentForm.objects.update(sent_at=timezone.now() - timedelta(days=1, minutes=1))
    assert once.purge() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("had_done", [True, False])
def test_a_request_that_died_before_its_answer(clerk, had_done):
    data = drawn(clerk, f"{HERE}add/").filled(name="測試科", department="")
    clerk.post(f"{HERE}add/", data)
    SentForm.objects.update(answer=None, sent_at=timezone.now() - timedelta(minutes=2))
    if not had_done:
        Department.objects.filter(name="測試科").delete()
        Event.objects.filter(reference=SentForm.objects.get().reference).delete()
    answer = clerk.post(f"{HERE}add/", data)
    assert answer.status_code == (409 if had_done else 302)
    assert Department.objects.filter(name="測試科").count() == 1
    assert not had_done or "這個動作已經完成" in answer.content.decode()


@pytest.mark.django_db
def test_while_the_first_is_at_work_the_second_waits(clerk, monkeypatch):
    data = drawn(clerk, f"{HERE}add/").filled(name="測試科", department="")
    clerk.post(f"{HERE}add/", data)
    answer = SentForm.objects.get().answer
    SentForm.objects.update(answer=None)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            SentForm.objects.update(answer=answer)

    monkeypatch.setattr(once.time, "sleep", nap)
    assert clerk.post(f"{HERE}add/", data).status_code == 302
    assert len(naps) == 3
    SentForm.objects.update(answer=None)
    monkeypatch.setattr(once, "_PATIENCE_SECONDS", 0.01)
    busy = clerk.post(f"{HERE}add/", data)
    assert (busy.status_code, busy["Retry-After"]) == (503, "10")
    assert "沒有重複做" in busy.content.decode()


@pytest.mark.django_db
def test_a_wrong_password_counts_each_time(client, city):
    typed = {"username": "IC1001", "password": "x", "form_key": "k"}
    answers = [client.post("/accounts/login/", typed).status_code for _ in range(5)]
    assert answers[-1] == 429


# --- Of hours ------------------------------------------------------------------------------------

MAP = "/manage/learning-map/"


def twice(client, address, data):
    """A double click whose second half comes when the first is done."""
    answers = [like(client).post(address, data) for _ in range(2)]
    assert alike(answers)
    first, second = (one.cookies.get("messages") for one in answers)
    assert (first and first.value) == (second and second.value)
    client.cookies = answers[1].client.cookies
    return client.get(answers[1]["Location"]).content.decode()


@pytest.mark.django_db
def test_hours_are_deleted_restored_and_undone_once(clerk, import_bytes):
    run = import_bytes(text(row(), row(term="2")).encode())["run"]
    chosen = {"ids": [Record.objects.get(term="2").pk]}
    page = clerk.post(f"{MAP}hours/delete/", chosen).content.decode()
    form = next(one for one in forms_in(f"{MAP}hours/delete/", page) if "reason" in one.fields)
    data = form.filled(reason="誤植", confirmed="1")
    assert "已刪除 1 筆時數" in twice(clerk, f"{MAP}hours/delete/", data)
    assert Deletion.objects.count() == 1
    page = clerk.get(f"{MAP}hours/deleted/").content.decode()
    form = next(one for one in forms_in("", page) if one.action.endswith("restore/"))
    assert "已還原 1 筆時數" in twice(clerk, form.action, form.shown())
    place = f"{MAP}runs/{run.pk}/undo/"
    page = clerk.get(place).content.decode()
    form = next(one for one in forms_in(place, page) if one.action == place)
    assert "復原" in twice(clerk, place, form.shown())
    verbs = Event.objects.filter(verb__endswith="_hours") | Event.objects.filter(verb="undo_import")
    assert sorted(verbs.values_list("verb", flat=True)) == [
        *("delete_hours", "import_hours", "restore_hours", "undo_import")
    ]


@pytest.mark.django_db
def test_an_step_on_nothing_is_none(clerk, things):
    for role in ("agency_admin", "agency_admin"):
        values = {
            "ids": [Account.objects.get(username="IC1003").pk],
            "confirmed": "1",
            "role": role,
        }
        page = clerk.post("/manage/accounts/appoint/", values, follow=True).content.decode()
    assert "已經是機關管理者，沒有做任何變更" in page
    assert Event.objects.filter(verb="appoint").count() == 1
    for _ in range(2):
        values = {"ids": [things["course_id"]], "confirmed": "1"}
        page = clerk.post("/manage/online-courses/close/", values, follow=True).content.decode()
    assert "沒有可以「關閉」" in page or "沒有做任何變更" in page
    assert Event.objects.filter(verb="close_course").count() == 1


# --- Together ------------------------------------------------------------------------------------


def clicked_twice(client, address, data):
    """Two windows of one browser send the same in the same moment; their answers."""
    return at_once(*(partial(like(client).post, address, own(data)) for _ in range(2)))


def own(data):
    """With files of its own, for each can be read once."""
    files = {name: one for name, one in data.items() if isinstance(one, SimpleUploadedFile)}
    fresh = {name: SimpleUploadedFile(one.name, PDF) for name, one in files.items()}
    return {**data, **fresh}


def alike(answers):
    first, second = ((one.status_code, one.get("Location"), one.content) for one in answers)
    return first == second


def test_every_module_adds_and_edits_once(place):
    for module in modules():
        if not module.form:
            continue
        client, person = signed_in("IC1001", EXAMPLES[module.name].by)
        rows, events = module.rows(person).count(), Event.objects.count()
        address = module.address("add")
        data = {"form_key": "add", **EXAMPLES[module.name].good(7)}
        answers = clicked_twice(client, address, data)
        assert alike(answers) and answers[0].status_code == 302, module.name
        assert Event.objects.count() == events + 1, module.name
        assert module.rows(person).count() == rows + 1, module.name
        edit = f"{answers[0]['Location']}edit/"
        answers = clicked_twice(client, edit, drawn(client, edit).shown())
        assert alike(answers) and answers[0].status_code == 302, module.name
        assert Event.objects.count() == events + 2, module.name


def asked(client, module, step, thing):
    """The page that asks before an action: its form, filled in; None when the action does not fit."""
    address = module.address(step.name)
    page = client.post(address, {"ids": [thing.pk]}).content.decode()
    form = next((one for one in forms_in(address, page) if "confirmed" in one.fields), None)
    return form and form.filled()


def test_every_step_is_done_once(place):
    done, client, person = set(), *signed_in("IC1001", "platform_admin")
    for module in modules():
        for step in module.actions if person.may(module.view) else ():
            for thing in module.rows(person)[:6] if person.may(step.right) else ():
                data = step.fits(person, thing) and asked(client, module, step, thing)
                before = Event.objects.count()
                answers = clicked_twice(client, module.address(step.name), data) if data else ()
                made = list(Event.objects.values_list("verb", "subject"))[: -before or None]
                if made:
                    assert len(made) == len(set(made)), (module.name, step.name, made)
                    assert alike(answers), (module.name, step.name)
                    done.add((module.name, step.name))
                    break
    assert len(done) >= 20


REPORTS = {
    "/support/new/": {"subject": "印表機", "place": "", "contact": "1234", "run": ""},
    "/incidents/report/": {"title": "勒索信", "is_drill": []},
    "/my/identities/": {"reason": "職務調整", "identities": ["security", "it"]},
    "/my/hours/claims/apply/": {"title": "研討會", "organizer": "學會", "hours": "3"},
}


def test_what_is_reported_is_reported_once(place):
    client, _ = signed_in("IC1003", "staff")
    for address, typed in REPORTS.items():
        events = Event.objects.count()
        answers = clicked_twice(client, address, drawn(client, address).filled(**typed))
        assert answers[0].status_code == 302, address
        assert alike(answers), address
        assert Event.objects.count() == events + 1, address
