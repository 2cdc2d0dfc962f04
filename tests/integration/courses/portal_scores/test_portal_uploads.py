"""上傳終身學習入口網格式: what counts and is new, in batches that are remembered; other agencies'
takers of a shared course."""

import csv
import io
import random
import re
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.models import PortalUpload, SignUp, UploadedHours, UploadPiece, Way
from ismp.hours.models import Decision, Duplicate, Record
from ismp.hours.records.actions import duplicates as duplicate_actions
from ismp.hours.records.actions import records as hours
from ismp.imports.models import ImportRun
from ismp.ui.text import roc_dates
from tests.support.courses import (
    completed,
    deleted,
    downloaded,
    enrolled,
    lesson,
    met,
    planned,
    read_all,
    settle,
)
from tests.support.laws import totals_are_true
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
UPLOAD = "/manage/learning-map/scores/upload/"
BATCHES = "/manage/learning-map/uploads/"
ROWS = "/manage/learning-map/uploaded-hours/"


@pytest.fixture
def clerk(client, account):
    person = account("IC1006", "agency_admin")
    client.force_login(person)
    return person


@pytest.fixture
def people(account):
    return [account(f"IC10{number:02}") for number in range(1, 5)]


def asked(**changes):
    today = roc_dates.roc_date(timezone.localdate())
    return {"start": today, "end": today, "county": "10"} | changes


def taken(client, **changes):
    """The file for the portal, by names of its columns; None when the page answers instead."""
    answer = client.post(UPLOAD, asked(**changes))
    return rows_of(answer.content) if answer["Content-Type"].startswith("text/csv") else None


def rows_of(content):
    head, *rows = csv.reader(io.StringIO(content.decode("cp950")))
    return [dict(zip(head, cells, strict=True)) for cells in rows]


def titles(rows):
    return sorted(one["*課程名稱"] for one in rows)


def action(client, address, thing, **typed):
    sent = {"ids": thing.pk, "confirmed": "1"} | typed
    return client.post(address, sent, follow="again" not in address)


def text_of(client, address):
    return client.get(address).content.decode()


# --- What counts ----------------------------------------------------------------------------------


def test_only_records_that_count_are_uploaded(client, people, clerk):
    session = met(people, people, by=clerk)
    completed(people[0], title="影片")
    deleted(people[1], by=clerk)
    settle(session, [people[0], people[1], people[3]], by=clerk)  # the third was absent
    found = taken(client)
    names = sorted((one["*姓名"], one["*課程名稱"]) for one in found)
    reported = [(people[0], "影片"), (people[0], "社交工程防護"), (people[3], "社交工程防護")]
    assert names == sorted((person.name, title) for person, title in reported)


def test_hours_that_an_imported_record_stands_for_are_not_uploaded(
    client, people, clerk, import_bytes
):
    own = completed(people[0])
    import_bytes(data(row_of(own.record, organizer_code="A99")))
    pair = Duplicate.objects.get()
    duplicate_actions.decide(Duplicate.objects.filter(pk=pair.pk), decision=Decision.ONE, by=clerk)
    assert taken(client) is None
    shown = downloaded(client, "online")[people[0].username]
    assert (shown["時數"], shown["採計"]) == ("", "不採計：與匯入的時數重複")
    duplicate_actions.decide(Duplicate.objects.filter(pk=pair.pk), decision=Decision.BOTH, by=clerk)
    assert titles(taken(client)) == [own.title]


def row_of(record, **changes):
    """A row of the portal that tells of a record."""
    [person] = [one for one in demo_data.city() if one.username == record.account.username]
    total = f"{record.hours / 1000:g}"
    facts = {
        "national_id": person.national_id,
        "name": person.name,
        "organizer_code": record.organizer_code,
        "category": str(record.category),
        "title": record.title,
        "term": record.term,
        "started_on": roc_dates.roc_date(record.started_on),
        "ended_on": roc_dates.roc_date(record.ended_on),
        "total": total,
        "digital_hours": total,
        "classroom_hours": "0",
    }
    return row(**facts | changes)


def test_what_was_uploaded_and_comes_back_counts_once(client, people, clerk, import_bytes):
    """Also under the platform's own code, and with a character that CP950 cannot write."""
    ours = completed(people[0], title="資安入門")
    platforms = completed(people[0], title="平台的課", agency=None)
    rare = completed(people[0], title="犇羣的資安課")
    found = {one["*課程名稱"]: one for one in taken(client)}
    before = sum(Record.objects.live().values_list("hours", flat=True))
    code = people[0].agency.code
    import_bytes(
        data(
            *(
                row_of(one.record, organizer_code=code, title=title)
                for one, title in [
                    (ours, "資安入門"),
                    (platforms, "平台的課"),
                    (rare, next(title for title in found if "?" in title)),
                ]
            )
        )
    )
    assert sum(Record.objects.live().values_list("hours", flat=True)) == before
    assert Duplicate.objects.count() == 2
    assert not UploadedHours.objects.compared().filter(differs=True).exists()
    assert taken(client) is None


# --- What was uploaded ----------------------------------------------------------------------------


def test_a_batch_is_remembered_and_only_what_is_new_is_offered(client, people, clerk):
    completed(people[0], title="甲")
    assert "還沒有上傳的有 <strong>1 筆" in text_of(client, UPLOAD)
    first = client.post(UPLOAD, asked())
    assert titles(rows_of(first.content)) == ["甲"]
    again = client.post(UPLOAD, asked()).content.decode()
    assert "都已經在上傳批次裡" in again and "目前沒有還沒上傳的時數" in again
    completed(people[1], title="乙")
    assert titles(taken(client)) == ["乙"]
    upload = PortalUpload.objects.last()
    assert (upload.made_by, upload.count, upload.people) == (clerk.username, 1, 1)
    page = text_of(client, f"{BATCHES}{upload.pk}/")
    assert clerk.name in page and f"第 {upload.pk} 批" in page
    assert downloaded(client, "online")[people[0].username]["入口網"] == f"第 {upload.pk} 批"
    once_more = action(client, f"{BATCHES}again/", upload)
    assert once_more.content == first.content
    assert once_more["Content-Disposition"] == first["Content-Disposition"]
    assert Event.objects.filter(verb="take_upload_again").count() == 1
    number = next(one.national_id for one in demo_data.city() if one.username == "IC1001")
    assert number not in page and number not in str(list(Event.objects.values()))
    pieces = b"".join(bytes(one.data) for one in UploadPiece.objects.all())
    assert number.encode() not in pieces


def test_a_revoked_batch_is_offered_again_and_its_file_is_gone(client, people, clerk):
    completed(people[0])
    taken(client)
    upload = PortalUpload.objects.get()
    answer = action(client, f"{BATCHES}revoke/", upload, reason="").content.decode()
    assert "請填寫理由" in answer
    answer = action(client, f"{BATCHES}revoke/", upload, reason="沒有上傳成功").content.decode()
    assert "重新列入" in answer and "已撤銷" in answer
    assert not UploadPiece.objects.filter(owner=upload).exists()
    assert "檔案已刪除" in action(client, f"{BATCHES}again/", upload).content.decode()
    assert "已經撤銷過" in action(client, f"{BATCHES}revoke/", upload, reason="x").content.decode()
    assert len(taken(client)) == 1
    assert PortalUpload.objects.count() == 2
    event = Event.objects.get(verb="revoke_upload")
    assert event.detail["reason"] == "沒有上傳成功"


def test_the_same_drawn_form_makes_another_batch_after_a_revocation(client, people, clerk):
    completed(people[0])
    key = re.search(r'name="form_key" value="([^"]+)"', text_of(client, UPLOAD))[1]
    assert len(taken(client, form_key=key)) == 1
    assert taken(client, form_key=key) is None
    action(client, f"{BATCHES}revoke/", PortalUpload.objects.get(), reason="入口網退回")
    assert len(taken(client, form_key=key)) == 1
    assert PortalUpload.objects.filter(revoked_at=None).count() == 1


def test_two_batches_never_tell_of_the_same_hours(client, people, clerk):
    completed(people[0])
    taken(client)
    known = UploadedHours.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        UploadedHours.objects.create(
            upload=known.upload, record=known.record, account=known.account, hours=1
        )


def test_what_changed_after_the_upload_is_shown_until_it_is_corrected(client, people, clerk):
    session = met(people[:3], people[:3], by=clerk)
    assert len(taken(client)) == 3
    second = session.sign_ups.get(account=people[1])
    deletion = deleted(people[0], by=clerk)
    attendance.grade(session, {second.pk: Decimal(88)}, by=clerk)
    attendance.finish(session, by=clerk)
    assert "有 2 筆時數上傳後變更" in text_of(client, UPLOAD)
    page = text_of(client, f"{ROWS}?state=differs")
    assert "已上傳但已不採計，請到入口網刪除" in page and "成績已變更為 88" in page
    assert people[2].username not in page
    assert taken(client) is None
    rows = UploadedHours.objects.in_bulk(field_name="id")
    sent = {"ids": list(rows), "confirmed": "1"}
    answer = client.post(f"{ROWS}corrected/", sent, follow=True).content.decode()
    assert "已記下 2 筆到入口網更正過" in answer
    assert not UploadedHours.objects.compared().filter(differs=True).exists()
    assert "上傳後變更" not in text_of(client, UPLOAD)
    hours.restore(deletion, by=clerk)  # deleted at the portal, and counts again
    assert [one["*姓名"] for one in taken(client)] == [people[0].name]
    assert not list(trail.faults())


def test_another_agency_sees_and_takes_nothing_of_a_batch(client, people, clerk, account):
    completed(people[0])
    taken(client)
    upload = PortalUpload.objects.get()
    client.force_login(account("EP1001", "agency_admin"))
    assert client.get(f"{BATCHES}{upload.pk}/").status_code == 404
    for name in ("again", "revoke"):
        assert action(client, f"{BATCHES}{name}/", upload, reason="x").status_code == 404
    client.force_login(account("IC1007", "auditor"))
    assert client.get(f"{BATCHES}{upload.pk}/").status_code == 200
    assert action(client, f"{BATCHES}again/", upload).status_code == 403


# --- Takers of other agencies -----------------------------------------------------------------------


def test_an_organiser_sees_takers_of_other_agencies_of_his_own_courses_only(
    client, people, clerk, account
):
    guest = account("EP1001")
    shared = lesson(title="共同課程", agency=clerk.agency, for_all=True)
    theirs = lesson(title="他們的課", agency=guest.agency)
    for one in (shared, theirs):
        read_all(enrolled(one, guest), guest)
    session = planned(clerk, agency=clerk.agency)
    type(session.course).objects.filter(pk=session.course_id).update(for_all=True)
    session.course.refresh_from_db()
    classes.sign_up(session, guest, way=Way.LIST, by=clerk)
    found = downloaded(client, "online")
    assert found.keys() == {guest.username}
    shown = found[guest.username]
    assert (shown["課程"], shown["機關"]) == ("共同課程", guest.agency.name)
    assert (shown["姓名"], shown["時數"]) == (guest.name, "3")
    assert shown["部門"] == "" and guest.department.name
    there = downloaded(client, "classroom")[guest.username]
    assert (there["機關"], there["部門"], there["出席時段數"]) == (guest.agency.name, "", "0")
    for page in (
        "/manage/learning-map/online-scores/",
        "/manage/learning-map/classroom-scores/",
        "/manage/sign-ups/",
        f"/courses/teaching/sessions/{session.pk}/",
    ):
        text = text_of(client, page)
        assert guest.username in text and "他們的課" not in text
        assert not re.search(rf'data-label="部門">\s*{guest.department.name}', text)
    assert guest.username not in text_of(
        client,
        f"/manage/learning-map/online-scores/?field=shown_department&q={guest.department.name}",
    )
    assert taken(client) is None  # whose hours go to the portal by the guest's own agency
    client.force_login(account("EP1002", "agency_admin"))
    assert downloaded(client, "online")[guest.username]["部門"] == guest.department.name
    assert SignUp.objects.get().account == guest


# --- The law: whatever is done, each download says what the counting records say --------------------


class Learning:
    """A class and online courses of three people, and a plain model of what must count."""

    def __init__(self, chance, client, people, clerk, import_bytes):
        self.chance, self.client, self.people, self.clerk = chance, client, people, clerk
        self.import_bytes = import_bytes
        self.session = met(people, people, by=clerk)
        self.earned = dict.fromkeys(((one.username, "社交工程防護") for one in people), 2000)
        self.deleted, self.at_portal = {}, {}
        self.course = lesson(title="影片", hours=1500, agency=clerk.agency)
        self.complete()

    def complete(self):
        if waiting := [one for one in self.people if (one.username, "影片") not in self.earned]:
            person = self.chance.choice(waiting)
            read_all(enrolled(self.course, person), person)
            self.earned[person.username, "影片"] = self.course.hours

    def edit_the_course(self):
        self.course.hours = self.chance.choice([1000, 1500, 4000])
        self.course.save()

    def settle(self):
        present = [one for one in self.people if self.chance.random() < 0.6]
        settle(self.session, present, by=self.clerk)
        for one in self.people:
            self.earned.pop((one.username, "社交工程防護"), None)
        self.earned |= {(one.username, "社交工程防護"): 2000 for one in present}

    def delete(self):
        if found := list(live_here().order_by("pk")):
            one = self.chance.choice(found)
            deletion = hours.delete(Record.objects.filter(pk=one.pk), reason="誤植", by=self.clerk)
            self.deleted[key_of(one)] = deletion

    def restore(self):
        if self.deleted:
            key = self.chance.choice(sorted(self.deleted))
            # Of somebody who is absent now there is nothing to restore.
            restored = hours.restore(self.deleted[key], by=self.clerk)
            assert bool(restored) == (key in self.earned)
            if restored:
                del self.deleted[key]

    def bring(self):
        """The portal's file tells of one of them under another organizer."""
        one = self.chance.choice(list(Record.objects.filter(run__source="platform").order_by("pk")))
        self.import_bytes(data(row_of(one, organizer_code="A99"), encoding="utf-8"))

    def undo(self):
        runs = ImportRun.objects.of_files().order_by("pk")
        if runs := [one for one in runs if one.can_be_undone]:
            hours.undo(self.chance.choice(runs), by=self.clerk)

    def decide(self):
        if pairs := list(Duplicate.objects.order_by("pk")):
            decision = self.chance.choice([Decision.ONE, Decision.BOTH])
            pair = Duplicate.objects.filter(pk=self.chance.choice(pairs).pk)
            duplicate_actions.decide(pair, decision=decision, by=self.clerk)

    def upload(self):
        known = set(UploadedHours.objects.standing().values_list("record", flat=True))
        new = {one.pk: one for one in live_here() if one.pk not in known}
        reported = taken(self.client) or []
        assert sorted(
            (one["*身分證字號"], one["*課程名稱"], one["*訓練總數"]) for one in reported
        ) == sorted(
            (one.account.national_id, one.title, f"{one.hours / 1000:g}") for one in new.values()
        )
        if new:
            batch = PortalUpload.objects.first()
            assert set(batch.rows.values_list("record", flat=True)) == set(new)

    def revoke(self):
        if found := list(PortalUpload.objects.filter(revoked_at=None).order_by("pk")):
            one = self.chance.choice(found)
            assert action(self.client, f"{BATCHES}revoke/", one, reason="x").status_code == 200

    def correct(self):
        rows = UploadedHours.objects.compared().filter(differs=True)
        sent = {"ids": list(rows.values_list("pk", flat=True)), "confirmed": "1"}
        self.client.post(f"{ROWS}corrected/", sent)
        assert not rows.all().exists()

    def agrees(self):
        aside = {key_of(one) for one in Record.objects.filter(deletion__duplicates=True)}
        counting = {key_of(one): one.hours for one in live_here()}
        assert counting.keys() == self.earned.keys() - self.deleted.keys() - aside
        assert all(self.earned[key] == found for key, found in counting.items())
        shown = {}
        for kind, column in (("online", "時數"), ("classroom", "取得時數")):
            for one in exported(self.client, kind):
                if one[column]:
                    shown[one["公務帳號"], one["課程"]] = float(one[column]) * 1000
        assert shown == counting
        to_correct = {
            row.record_id
            for row in UploadedHours.objects.standing().select_related("record__deletion")
            if row.hours != (row.record.hours if row.record.deletion_id is None else 0)
            and not (row.record.deletion and row.record.deletion.duplicates)
        }
        differing = UploadedHours.objects.compared().filter(differs=True)
        assert set(differing.values_list("record", flat=True)) == to_correct


def live_here():
    """Credit of our own courses that counts."""
    return Record.objects.live().filter(run__source="platform").select_related("account")


def key_of(record):
    return record.account.username, record.title


def exported(client, kind):
    answer = client.get(f"/manage/learning-map/{kind}-scores/export/?format=csv")
    return csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig")))


STEPS = "complete edit_the_course settle settle delete restore bring undo decide upload".split()
STEPS += ["upload", "revoke", "correct"]


@pytest.mark.parametrize("seed", range(6))
def test_each_download_says_what_the_counting_records_say(
    seed, client, people, clerk, import_bytes
):
    chance = random.Random(seed)
    learning = Learning(chance, client, people[:3], clerk, import_bytes)
    for _ in range(12):
        step = chance.choice(STEPS)
        getattr(learning, step)()
        learning.agrees()
    assert not list(trail.faults())
    totals_are_true()
