"""外部時數認列: asked for once, decided once, credited once, and nobody else's business."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from django.core.files import temp
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ismp.accounts.models import Account, Posting
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.compliance.standing import explanation, import_effect
from ismp.errors import ActionRefused
from ismp.external_hours import actions, files
from ismp.external_hours.models import ClaimPiece, ExternalClaim, State
from ismp.hours.models import Deletion, Duplicate, Record
from ismp.hours.records.actions import records as hours
from ismp.imports.models import ImportRun
from ismp.notifications.models import Notice
from ismp.operations.backup.encrypted_models import ENCRYPTED_MODELS
from ismp.reviews.queue import waiting_for
from ismp.storage.encrypted_files import EncryptedChunk, FilePiece
from ismp.ui.templatetags.ismp_ui import roc_moment
from tests.support.concurrency import at_once
from tests.support.laws import totals_are_true
from tests.support.portal_files import data
from tests.support.portal_files import row_of_today as row
from tests.support.things import PDF, claim_of

pytestmark = pytest.mark.django_db
APPLY = "/my/hours/claims/apply/"
MANAGE = "/manage/learning-map/claims/"
PNG = b"\x89PNG\r\n\x1a\n picture"
JPG = b"\xff\xd8\xff\xe0 photograph"


@pytest.fixture
def staff(account):
    return account("IC1002")


@pytest.fixture
def decider(account):
    return account("IC1001", "agency_admin")


FIRST = f"{timezone.localdate().year - 1911}-01-01"
"""A day of this year that is not in the future, on whatever day of it."""


def filled(certificate=PDF, name="證明.pdf", **changes):
    typed = {
        "category": "522",
        "title": "資安月研討會",
        "organizer": "示範學會",
        "nature": "classroom",
        "started_on": FIRST,
        "ended_on": FIRST,
        "hours": "3",
        "description": "",
    } | changes
    return typed | {"certificate": SimpleUploadedFile(name, certificate)}


def live(person):
    return list(Record.objects.live().filter(account=person).order_by("pk"))


# --- Asking --------------------------------------------------------------------------------------


def test_a_claim_waits_for_the_administrator_of_her_agency(client, staff, decider, account):
    client.force_login(staff)
    answer = client.post(APPLY, filled(), follow=True)
    assert "已送出申請" in answer.content.decode()
    claim = ExternalClaim.objects.get()
    assert (claim.agency, claim.account, claim.state) == (staff.agency, staff, "pending")
    assert b"".join(files.read(claim)) == PDF
    assert PDF not in bytes(ClaimPiece.objects.get().data)
    assert [one.title for one in waiting_for(decider)] == [f"{staff.name}：資安月研討會"]
    assert waiting_for(account("EP1001", "agency_admin")) == []
    assert list(Notice.objects.values_list("account__username", flat=True)) == ["IC1001"]
    assert Event.objects.filter(verb="claim_hours", subject=f"claim:{claim.pk}").count() == 1


def test_the_same_claim_twice_is_one(client, staff):
    client.force_login(staff)
    for _ in range(2):
        assert client.post(APPLY, filled()).status_code == 302
    assert ExternalClaim.objects.count() == 1
    assert Event.objects.filter(verb="claim_hours").count() == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"title": ""}, "請填寫名稱"),
        ({"category": "521"}, "選擇"),
        ({"certificate": b"MZ program"}, "不是 PDF、JPG 或 PNG"),
        ({"certificate": b"<html><script>"}, "不是 PDF、JPG 或 PNG"),
        ({"certificate": b""}, "這個檔案是空的"),
        ({"started_on": "115-03-02", "ended_on": "115-03-01"}, "迄日期早於起日期"),
        ({"ended_on": "199-01-01"}, "迄日期在今天以後"),
        ({"started_on": "三月"}, "日期請寫成"),
        ({"hours": "25"}, "一天最多 24 小時"),
        ({"hours": "0"}, "大於 0 的數字"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(client, staff, changes, says):
    client.force_login(staff)
    page = client.post(APPLY, filled(**changes)).content.decode()
    assert says in page
    assert not ExternalClaim.objects.exists() and not ClaimPiece.objects.exists()


def test_without_a_certificate_or_with_too_large_a_one(client, staff, settings):
    settings.CERTIFICATE_MAX_BYTES = 1024 * 1024
    client.force_login(staff)
    assert (
        "檔案超過 1 MB" in client.post(APPLY, filled(PDF + bytes(2 * 1024 * 1024))).content.decode()
    )
    nothing = filled()
    del nothing["certificate"]
    assert "請選擇證明文件" in client.post(APPLY, nothing).content.decode()
    assert not ExternalClaim.objects.exists()


def test_no_clear_byte_goes_to_disk(client, staff, settings, monkeypatch):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    made = []
    monkeypatch.setattr(temp, "NamedTemporaryFile", lambda *a, **b: made.append(a) or BytesIO())
    client.force_login(staff)
    client.post(APPLY, filled(PDF + bytes(3 * 1024 * 1024)))
    assert ExternalClaim.objects.get().size == len(PDF) + 3 * 1024 * 1024
    assert not made


def test_an_upload_without_the_token_is_refused(staff):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    assert client.post(APPLY, filled()).status_code == 403
    assert not ExternalClaim.objects.exists()


def test_withdrawn_until_it_is_decided(client, staff, decider):
    claim = claim_of(staff)
    client.force_login(staff)
    client.post(f"/my/hours/claims/{claim.pk}/withdraw/")
    claim.refresh_from_db()
    assert claim.state == State.WITHDRAWN and not ClaimPiece.objects.exists()
    assert waiting_for(decider) == []
    with pytest.raises(ActionRefused, match="已撤回"):
        actions.approve(claim, comment="", by=decider)
    again = claim_of(staff)
    assert again.pk != claim.pk
    actions.approve(again, comment="", by=decider)
    page = client.post(f"/my/hours/claims/{again.pk}/withdraw/", follow=True).content.decode()
    assert "目前是「已認列」" in page and len(live(staff)) == 1


# --- Deciding ------------------------------------------------------------------------------------


def test_approved_is_credited_once_with_its_origin(client, staff, decider):
    claim = claim_of(staff)
    client.force_login(decider)
    posted = {"ids": [claim.pk], "confirmed": "1", "category": "522", "given": "3", "comment": "可"}
    for _ in range(2):
        client.post(f"{MANAGE}approve/", posted)
    [record] = live(staff)
    assert (record.hours, record.title, record.organizer_name) == (3000, "資安月研討會", "示範學會")
    assert (record.classroom_hours, record.run.source) == (3000, "external")
    claim.refresh_from_db()
    assert (claim.state, claim.decided_by, claim.run) == ("approved", decider, record.run)
    assert Event.objects.filter(verb="approve_claim").count() == 1
    assert ImportRun.objects.count() == 1
    totals_are_true()
    client.force_login(staff)
    assert "外部認列" in client.get("/my/hours/").content.decode()
    own = client.get("/my/hours/claims/").content.decode()
    assert "已認列" in own and "審核意見：可" in own
    assert Notice.objects.filter(account=staff, subject__contains="已認列").count() == 1
    reported = [item for one in explanation.of_person(staff) for item in one.counted]
    assert [(item.origin, "外部認列" in str(item)) for item in reported] == [("外部認列", True)]


def test_with_other_hours_and_another_category(staff, decider):
    claim = claim_of(staff, nature="digital")
    actions.approve(claim, category=523, given=1500, comment="專業課程", by=decider)
    [record] = live(staff)
    assert (record.category, record.hours, record.digital_hours) == (523, 1500, 1500)


def test_refused_needs_a_comment(client, staff, decider):
    claim = claim_of(staff)
    client.force_login(decider)
    page = client.post(f"{MANAGE}refuse/", {"ids": [claim.pk], "confirmed": "1", "comment": " "})
    assert "請填寫審核意見" in page.content.decode()
    with pytest.raises(ActionRefused):
        actions.refuse(claim, comment="  ", by=decider)
    actions.refuse(claim, comment="沒有時數", by=decider)
    assert live(staff) == []
    assert "沒有時數" in Notice.objects.get(account=staff).body
    with pytest.raises(ActionRefused, match="目前是「未認列」"):
        actions.approve(claim, comment="", by=decider)
    assert claim_of(staff).pk != claim.pk  # the person may ask again with more


def test_nobody_decides_on_her_own_claim(client, decider, account):
    platform = account("EP1001", "platform_admin")
    claim = claim_of(decider)
    assert list(Notice.objects.values_list("account__username", flat=True)) == ["EP1001"]
    assert waiting_for(decider) == []
    assert [one.kind for one in waiting_for(platform)] == ["外部時數認列"]
    client.force_login(decider)
    page = client.get(f"{MANAGE}{claim.pk}/").content.decode()
    assert "這是您自己的申請" in page and "formaction" not in page
    posted = {"ids": [claim.pk], "confirmed": "1", "category": "522", "given": "3"}
    answer = client.post(f"{MANAGE}approve/", posted).content.decode()
    assert "與您自己有關" in answer and "平台管理者" in answer and live(decider) == []
    actions.approve(claim, comment="", by=platform)
    assert len(live(decider)) == 1


def test_never_more_than_a_day_has(staff, decider, import_bytes, city):
    with pytest.raises(ActionRefused, match="最多 24 小時"):
        claim_of(staff, hours=24_001)
    [person] = [one for one in city if one.username == "IC1002"]
    hours_ = {"total": "20", "digital_hours": "20", "classroom_hours": "0"}
    day = {"started_on": FIRST, "ended_on": FIRST}
    own = {"national_id": person.national_id, "name": person.name, "title": "別的課"}
    assert import_bytes(data(row(**own, **hours_, **day), encoding="utf-8"))["created"] == 1
    with pytest.raises(ActionRefused, match="已有 20 小時"):
        claim_of(staff, hours=5000)
    claim = claim_of(staff, hours=3000)
    with pytest.raises(ActionRefused, match="已有 20 小時"):
        actions.approve(claim, given=5000, comment="", by=decider)
    actions.approve(claim, given=4000, comment="", by=decider)
    assert sum(record.hours for record in live(staff)) == 24_000


def test_who_moved_away_is_not_credited_here(staff, decider, account):
    claim = claim_of(staff)
    Account.objects.filter(pk=staff.pk).update(agency=account("EP1001").agency)
    with pytest.raises(ActionRefused, match="已不在本機關"):
        actions.approve(claim, comment="", by=decider)
    assert actions.refuse(claim, comment="請在新機關申請", by=decider).state == State.REFUSED


# --- What follows --------------------------------------------------------------------------------


def test_the_page_shows_the_light_before_and_after_and_it_comes_true(client, small, account):
    staff, decider = account("IC1002"), account("IC1001", "agency_admin")
    claim = claim_of(staff)
    [(before, after)] = import_effect.of_hours(
        [staff], category=522, ended_on=claim.ended_on, hours=claim.hours
    )[staff.pk]
    assert (before.light, after.light) == ("red", "green")
    client.force_login(decider)
    page = client.get(f"{MANAGE}{claim.pk}/").content.decode()
    assert "tag-red" in page and "tag-green" in page and "照申請認列後" in page
    actions.approve(claim, comment="", by=decider)
    assert [one.line for one in explanation.of_person(staff)] == [after]


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2025, 6, 1)])
def test_hours_of_another_year_do_not_close_this_years_duty(small, account, day):
    staff = account("IC1002")
    reported = import_effect.of_hours([staff], category=522, ended_on=day, hours=3000)
    [(before, after)] = reported[staff.pk]
    assert before == after


def test_who_is_not_in_office_owes_nothing_and_the_page_says_so(client, small, account):
    staff, decider = account("IC1002"), account("IC1001", "agency_admin")
    claim = claim_of(staff)
    Posting.objects.filter(account=staff).update(status="left")
    client.force_login(decider)
    page = client.get(f"{MANAGE}{claim.pk}/").content.decode()
    assert "他今天沒有列管的訓練時數" in page


def test_other_records_of_the_days_are_shown(client, staff, decider, learned, city):
    [person] = [one for one in city if one.username == "IC1002"]
    same_day = {"started_on": FIRST, "ended_on": FIRST}
    learned(person, 2, title="同日的課", **same_day)
    learned(person, 2, title="資安月研討會", started_on=FIRST, ended_on=FIRST)
    learned(person, 2, title="無關的課", started_on="110-06-01", ended_on="110-06-01")
    claim = claim_of(staff)
    client.force_login(decider)
    page = client.get(f"{MANAGE}{claim.pk}/").content.decode()
    assert "同日的課" in page and "無關的課" not in page
    assert page.count("可能是同一次") == 1


def from_portal(import_bytes, city):
    """The same training as the national portal tells of it later."""
    [person] = [one for one in city if one.username == "IC1002"]
    own = {"national_id": person.national_id, "name": person.name, "title": "資安月研討會"}
    day = {"started_on": FIRST, "ended_on": FIRST}
    values = {"total": "3", "digital_hours": "3", "classroom_hours": "0"}
    return import_bytes(data(row(**own, **day, **values), encoding="utf-8"))["run"]


def test_what_the_portal_has_already_changes_no_light_and_the_page_says_so(
    client, small, account, import_bytes, city
):
    staff, decider = account("IC1002"), account("IC1001", "agency_admin")
    from_portal(import_bytes, city)
    claim = claim_of(staff)
    client.force_login(decider)
    page = client.get(f"{MANAGE}{claim.pk}/").content.decode()
    assert "認列後會列入「可能重複」" in page
    [before] = [one.line for one in explanation.of_person(staff)]
    actions.approve(claim, comment="", by=decider)
    assert [one.line for one in explanation.of_person(staff)] == [before]
    assert Duplicate.objects.count() == 1


def test_the_portal_brings_it_too_and_it_counts_once(staff, decider, import_bytes, city):
    actions.approve(claim_of(staff), comment="", by=decider)
    run = from_portal(import_bytes, city)
    assert run.created == 1
    [pair] = Duplicate.objects.all()
    assert pair.credited.run.source == "external"
    assert [record.run.source for record in live(staff)] == ["file"]
    totals_are_true()


def test_revoked_its_hours_go_and_nothing_brings_them_back(staff, decider, import_bytes, city):
    claim = actions.approve(claim_of(staff), comment="可", by=decider)
    with pytest.raises(ActionRefused):
        actions.revoke(claim, reason=" ", by=decider)
    actions.revoke(claim, reason="證明文件有誤", by=decider)
    claim.refresh_from_db()
    assert (claim.state, claim.comment, claim.revoked_by) == ("revoked", "可", decider)
    assert live(staff) == [] and Record.objects.count() == 1
    assert not any(deletion.restorable for deletion in Deletion.objects.all())
    assert "證明文件有誤" in Notice.objects.filter(account=staff).first().body
    totals_are_true()
    with pytest.raises(ActionRefused, match="已撤銷認列"):
        actions.revoke(claim, reason="x", by=decider)
    again = claim_of(staff)
    actions.approve(again, comment="", by=decider)
    assert len(live(staff)) == 1
    totals_are_true()


def test_revoked_while_set_aside_it_does_not_come_back(staff, decider, import_bytes, city):
    claim = actions.approve(claim_of(staff), comment="", by=decider)
    run = from_portal(import_bytes, city)
    actions.revoke(claim, reason="重複", by=decider)
    assert [record.run.source for record in live(staff)] == ["file"]
    hours.undo(run, by=decider)
    assert live(staff) == []
    totals_are_true()


def test_revoked_after_somebody_deleted_it_restoring_brings_nothing_back(staff, decider):
    claim = actions.approve(claim_of(staff), comment="", by=decider)
    deletion = hours.delete(Record.objects.all(), reason="x", by=decider)
    actions.revoke(claim, reason="有誤", by=decider)
    hours.restore(deletion, by=decider)
    assert live(staff) == []
    totals_are_true()


def test_the_same_record_twice_is_not_recognised(staff, decider):
    actions.approve(claim_of(staff), comment="", by=decider)
    with pytest.raises(ActionRefused, match="已經認列過了"):
        claim_of(staff)
    other = claim_of(staff, category=523)
    with pytest.raises(ActionRefused, match="已有同一個訓練"):
        actions.approve(other, category=522, comment="", by=decider)
    assert len(live(staff)) == 1 and ExternalClaim.objects.get(pk=other.pk).state == "pending"


# --- The certificate -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "media_type", "name"),
    [(PDF, "application/pdf", "pdf"), (PNG, "image/png", "png"), (JPG, "image/jpeg", "jpg")],
)
def test_it_is_what_its_bytes_say_whatever_its_name(client, staff, content, media_type, name):
    client.force_login(staff)
    client.post(APPLY, filled(content, "x.html"))
    claim = ExternalClaim.objects.get()
    answer = client.get(f"/my/hours/claims/{claim.pk}/certificate/")
    assert b"".join(answer.streaming_content) == content
    assert answer["Content-Type"] == media_type
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == f'inline; filename="certificate-{claim.pk}.{name}"'
    assert "no-store" in answer["Cache-Control"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_only_she_and_those_who_decide_or_audit_open_it(client, staff, decider, account):
    claim = claim_of(staff)
    file = f"/my/hours/claims/{claim.pk}/certificate/"
    people = [
        (staff, 200),
        (decider, 200),
        (account("CU1001", "auditor"), 200),
        (account("IC1003"), 404),
        (account("IC1004", "teacher"), 404),
        (account("EP1001", "agency_admin"), 404),
    ]
    for person, status in people:
        client.force_login(person)
        assert client.get(file).status_code == status, person
    opened = Event.objects.filter(verb="open_certificate").values_list("actor", flat=True)
    assert sorted(opened) == [
        "CU1001",
        "IC1001",
    ]  # the decider's own certificate stays closed to others


def test_a_national_id_is_never_kept(client, staff, decider):
    client.force_login(staff)
    client.post(APPLY, filled(title="A123456789 研習", description="A123456789"))
    claim = ExternalClaim.objects.get()
    actions.approve(claim, comment="A123456789", by=decider)
    claim.refresh_from_db()
    events = [claim.title, claim.description, claim.comment, *Event.objects.values_list("detail")]
    assert "A123456789" not in str(events + list(Notice.objects.values_list("body")))


def test_certificates_are_encrypted_anew_with_the_others(staff):
    claim = claim_of(staff)
    piece = ClaimPiece.objects.get()
    encrypted = bytes(piece.data)
    piece.reencrypt()
    assert bytes(ClaimPiece.objects.get().data) != encrypted
    assert b"".join(files.read(claim)) == PDF


def test_certificates_go_after_their_time_and_the_pages_say_so(
    client, staff, decider, time_machine
):
    names = ("撤銷", "認列", "等候", "撤回")
    revoked, kept, waiting, withdrawn = (claim_of(staff, title=name) for name in names)
    now = timezone.now()
    actions.withdraw(withdrawn, by=staff)
    for claim in (revoked, kept):
        actions.approve(claim, comment="", by=decider)
    time_machine.move_to(now + timedelta(days=900))
    actions.revoke(revoked, reason="重複", by=decider)
    assert actions.purge() == 0
    time_machine.move_to(now + timedelta(days=1_096))
    assert (actions.purge(), actions.purge()) == (1, 0)  # what was revoked later is kept longer
    assert set(ClaimPiece.objects.values_list("owner", flat=True)) == {revoked.pk, waiting.pk}
    event = Event.objects.get(verb="purge_certificates")
    assert (event.actor, event.detail) == (trail.SYSTEM, {"count": 1})
    kept.refresh_from_db()
    assert kept.state == State.APPROVED and len(live(staff)) == 1  # the hours stay
    reported = f"證明文件已於 {roc_moment(kept.certificate_deleted_at)} 依保存期限刪除"
    file = f"/my/hours/claims/{kept.pk}/certificate/"
    client.force_login(staff)
    page = client.get("/my/hours/claims/").content.decode()
    assert page.count(reported) == 1 and page.count("依保存期限") == 1 and file not in page
    assert client.get(file).status_code == 404
    client.force_login(decider)
    page = client.get(f"{MANAGE}{kept.pk}/").content.decode()
    assert reported in page and file not in page
    page = client.get(f"{MANAGE}{withdrawn.pk}/").content.decode()
    assert "申請人已撤回" in page and "依保存期限" not in page
    time_machine.move_to(now + timedelta(days=9_999))
    assert actions.purge() == 1  # what nobody has decided has no such limit


def test_no_kind_of_piece_is_forgotten_by_keys_backup_and_sweep():
    """Fields outside ENCRYPTED_MODELS could not be read any more after the old keys were forgotten."""
    assert set(ENCRYPTED_MODELS) == {
        *EncryptedChunk.__subclasses__(),
        *FilePiece.__subclasses__(),
    } - {FilePiece}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_deciders_and_a_double_click_give_one_outcome(city, account):
    staff, decider = account("IC1002"), account("IC1001", "agency_admin")
    first, second = at_once(*[lambda: claim_of(staff)] * 2)
    assert first.pk == second.pk and ExternalClaim.objects.count() == 1
    outcomes = at_once(*[lambda: actions.approve(first, comment="", by=decider).state] * 2)
    assert sorted(outcomes)[0] == "approved" and "目前是「已認列」" in sorted(outcomes)[1]
    assert len(live(staff)) == 1 and ImportRun.objects.count() == 1
