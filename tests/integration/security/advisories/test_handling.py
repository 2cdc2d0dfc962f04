"""Handling of an advisory: addressees, withdrawal, closing, kept answers, affected devices."""

import json
import random
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from ismp.accounts.models import Agency, AgencyGrade
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from ismp.reviews.queue import waiting_for
from ismp.security import intelligence, overview, reminders
from ismp.security.advisories import affected_devices
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.advisories.actions import evidence
from ismp.security.advisories.actions import importing as advisory_importing
from ismp.security.advisories.actions.importing import Taken
from ismp.security.devices import product_matching
from ismp.security.intelligence import IntelligenceRejected
from ismp.security.models import (
    Address,
    Advisory,
    AgencyGroup,
    Answer,
    Device,
    Ended,
    EvidenceFile,
    Indicator,
    Reply,
    Vendor,
)
from tests.support.advisory_versions import RED, bundle, cve, days, edit, report
from tests.support.intelligence import (
    CVE,
    as_bytes,
    cve_record,
    link,
    misp_event,
    spoilt,
    stix,
    thing,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(account):
    return account("CU1001", "agency_admin")


@pytest.fixture
def clerks(platform, handler, other):
    return platform, handler, other


@pytest.fixture
def advisory(platform, handler, other):
    """Published to two agencies, answered by none, due yesterday in one of them."""
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    made = Advisory.objects.get()
    agencies = [handler.agency, other.agency]
    advisory_actions.publish(made, agencies=agencies, due_on=days(5), by=platform)
    Address.objects.filter(agency=handler.agency).update(due_on=days(-1))
    Notice.objects.all().delete()
    return Advisory.objects.get()


def address_of(user, name):
    return (
        Address.objects.get(agency=user.agency, **name)
        if name
        else Address.objects.get(agency=user.agency)
    )


def shown(client, user, address):
    client.force_login(user)
    return client.get(address).content.decode()


def recipients_of(user):
    return list(Notice.objects.filter(account=user).values_list("subject", flat=True))


# --- TLP and the day of publishing ---------------------------------------------------------------


def marked(*refs):
    made = report(1)
    made[0]["object_marking_refs"] = list(refs)
    return bundle(made)


UNKNOWN = "marking-definition--00000000-0000-4000-8000-000000000077"


def test_an_unknown_marking_is_asked_about_before_publishing(client, platform, handler):
    advisory_importing.import_advisories(marked(UNKNOWN), by=platform)
    advisory = Advisory.objects.get()
    assert advisory.tlp == "unknown"
    client.force_login(platform)
    asked = {
        **{"ids": [advisory.pk], "confirmed": "1", "agencies": [handler.agency_id]},
        "without_due": "on",
    }
    page = client.post("/manage/advisories/publish/", asked).content.decode()
    assert "標記無法辨識" in page and not Address.objects.exists()
    assert client.post("/manage/advisories/publish/", asked | {"tlp": "unknown"}).status_code == 200
    assert client.post("/manage/advisories/publish/", asked | {"tlp": "amber"}).status_code == 302
    advisory.refresh_from_db()
    assert (advisory.tlp, "tlp" in advisory.decided) == ("amber", True)
    assert client.get(f"/manage/advisories/{advisory.pk}/edit/").status_code == 200


def test_a_marking_that_becomes_unknown_is_asked_about_too(platform, handler):
    advisory_importing.import_advisories(bundle(report(1, marking=RED)), by=platform)
    later = report(2)
    later[0]["object_marking_refs"] = [UNKNOWN]
    advisory_importing.import_advisories(bundle(later), by=platform)
    advisory = Advisory.objects.get()
    assert (advisory.tlp, advisory.source_says["tlp"]) == ("red", "unknown")
    with pytest.raises(ActionRefused, match="標記無法辨識"):
        advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(3), by=platform)


def test_the_edit_form_offers_no_unknown_tlp(client, platform):
    advisory_importing.import_advisories(marked(UNKNOWN), by=platform)
    page = shown(client, platform, f"/manage/advisories/{Advisory.objects.get().pk}/edit/")
    assert "來源的標記無法辨識，請選擇" in page and 'value="unknown"' not in page


# --- Taken back by the source, withdrawn, closed -------------------------------------------------


def is_over(client, user, advisory):
    """Nobody is late or asked any more, and the page says so."""
    assert overview.counts(user, user.agency)[0].late == 0
    assert not [one for one in waiting_for(user) if one.kind == "情資回覆"]
    page = shown(client, user, f"/manage/advisories/{advisory.pk}/")
    assert "逾期</span>" not in page
    return page


def test_a_rejected_record_ends_the_advisory_and_tells_the_agencies(
    client, platform, handler, other, advisory
):
    rejected = spoilt(CVE, "cveMetadata", "state", value="REJECTED")
    rejected = spoilt(
        json.loads(rejected), "cveMetadata", "dateUpdated", value="2026-11-01T00:00:00Z"
    )
    assert advisory_importing.import_advisories(rejected, by=platform).ended == 1
    advisory.refresh_from_db()
    assert (advisory.ended, advisory.ended_by) == (Ended.REJECTED, "（來源）")
    for user in (handler, other):
        assert recipients_of(user) == ["來源已撤銷（REJECTED），不必再回覆：Router flaw"]
    assert "來源已撤銷（REJECTED）" in is_over(client, handler, advisory)
    client.force_login(platform)
    history = client.get(f"/manage/advisories/{advisory.pk}/history/").content.decode()
    assert "結束 （空白） → 來源已撤銷（REJECTED）" in history
    back = spoilt(CVE, "cveMetadata", "dateUpdated", value="2026-11-02T00:00:00Z")
    advisory_importing.import_advisories(back, by=platform)
    advisory.refresh_from_db()
    assert advisory.ended == "" and overview.counts(handler, handler.agency)[0].late == 1


def test_revoked_and_superseded_reports_end_alike(platform, handler):
    for number, taken_back in enumerate(
        (
            [{**report(2)[0], "revoked": True}],
            [{**report(1)[0], "revoked": True}],
            [link(4, report(1)[0], "superseded-by", thing("report", 5))],
        )
    ):
        with_new = [
            *taken_back,
            {**report(1)[0], "id": f"report--00000000-0000-4000-8000-00000000009{number}"},
        ]
        advisory_importing.import_advisories(bundle(report(1)), by=platform)
        advisory = Advisory.objects.get(stix_id=report(1)[0]["id"])
        advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(3), by=platform)
        Notice.objects.all().delete()
        advisory_importing.import_advisories(bundle(with_new), by=platform)
        advisory.refresh_from_db()
        assert advisory.ended == (Ended.SUPERSEDED if number == 2 else Ended.REVOKED)
        assert len(recipients_of(handler)) == 1
        Address.objects.all().delete()
        Advisory.objects.all().delete()


def test_what_was_taken_back_before_it_came_is_not_taken_in(platform):
    gone = {**report(1)[0], "revoked": True}
    with pytest.raises(IntelligenceRejected, match="已被撤銷"):
        advisory_importing.import_advisories(bundle([gone]), by=platform)
    new = {**report(1)[0], "id": f"report--{'0' * 8}-0000-4000-8000-{'1' * 12}"}
    taken = advisory_importing.import_advisories(bundle([gone, new]), by=platform)
    assert taken == Taken(1, 0, 0) and "1 則已被來源撤銷" in taken.remarks[0]


def test_a_draft_that_was_taken_back_cannot_be_published(platform, handler):
    advisory_importing.import_advisories(bundle(report(1)), by=platform)
    advisory_importing.import_advisories(bundle([{**report(2)[0], "revoked": True}]), by=platform)
    with pytest.raises(ActionRefused, match="不能再發布"):
        advisory_actions.publish(
            Advisory.objects.get(), agencies=[handler.agency], due_on=days(3), by=platform
        )


@pytest.mark.parametrize("how", [("withdraw", "平台已撤回"), ("close", "已結案")])
def test_an_advisory_is_withdrawn_or_closed_with_a_reason(client, clerks, advisory, how):
    (platform, handler, other), (action, word) = clerks, how
    client.force_login(platform)
    address, asked = f"/manage/advisories/{action}/", {"ids": [advisory.pk], "confirmed": "1"}
    assert "請填寫理由" in client.post(address, asked | {"reason": ""}).content.decode()
    assert client.post(address, asked | {"reason": "誤發"}).status_code == 302
    for user in (handler, other):
        assert recipients_of(user) == [f"情資{word}，不必再回覆：Router flaw"]
    page = is_over(client, handler, advisory)
    assert word in page and "誤發" in page
    advisory_actions.answer(address_of(other, {}), Reply.NOT_AFFECTED, evidence="已盤點", by=other)
    with pytest.raises(ActionRefused, match="不能再結束一次"):
        advisory_actions.end(advisory, Ended.CLOSED, reason="x", by=platform)
    with pytest.raises(ActionRefused, match="不能再發布"):
        advisory_actions.publish(advisory, agencies=[platform.agency], due_on=days(3), by=platform)
    advisory_importing.import_advisories(cve(20, title="later"), by=platform)
    advisory.refresh_from_db()
    assert advisory.get_ended_display() == word  # what the platform ended, no file begins anew


def test_an_addressee_is_removed_and_can_be_added_again(client, platform, handler, other, advisory):
    own = address_of(handler, {})
    client.force_login(platform)
    asked = {"ids": [own.pk], "confirmed": "1", "reason": "發錯機關"}
    assert client.post("/manage/addresses/remove/", asked).status_code == 302
    assert recipients_of(handler) == ["情資不再發布給本機關，不必回覆：Router flaw"]
    client.force_login(handler)
    assert client.get(f"/manage/advisories/{advisory.pk}/").status_code == 404
    assert client.get(f"/manage/addresses/{own.pk}/").status_code == 404
    assert overview.counts(handler, handler.agency)[0].late == 0
    assert "已移除" in shown(client, platform, f"/manage/advisories/{advisory.pk}/")
    assert "0／1" in shown(client, platform, "/manage/advisories/")
    with pytest.raises(ActionRefused, match="不必回覆"):
        advisory_actions.answer(own, Reply.DONE, evidence="x", by=handler)
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(9), by=platform)
    own.refresh_from_db()
    assert (own.removed_at, own.due_on) == (None, days(9))


# --- Answers -------------------------------------------------------------------------------------


def test_former_answers_and_their_evidence_stay(client, platform, handler, advisory):
    own = address_of(handler, {})
    advisory_actions.answer(own, Reply.AFFECTED, evidence="已盤點，一台受影響", by=handler)
    advisory_actions.answer(own, Reply.DONE, evidence="已更新韌體", by=handler)
    assert list(Answer.objects.values_list("reply", "evidence")) == [
        ("done", "已更新韌體"),
        ("affected", "已盤點，一台受影響"),
    ]
    for address in (f"/manage/addresses/{own.pk}/", f"/manage/addresses/{own.pk}/history/"):
        page = shown(client, handler, address)
        assert "已盤點，一台受影響" in page and "已更新韌體" in page
    change = Event.objects.filter(verb="answer_advisory").latest("number").detail["changes"]
    assert ["處理情形與佐證", "已盤點，一台受影響", "已更新韌體"] in change


def test_who_answers_in_the_place_of_an_agency_ticks_it_and_says_why(
    client, platform, handler, advisory, account
):
    """Never who published it to the agency; and whoever reads the answer sees it."""
    own, deputy = address_of(handler, {}), account("CU1002", "platform_admin")
    asked = {"ids": own.pk, "confirmed": "1", "reply": "done", "evidence": "電話告知"}
    ticked = asked | {"on_behalf": "on", "on_behalf_because": "機關網路中斷"}
    client.force_login(deputy)
    for typed in (asked, asked | {"on_behalf": "on"}, asked | {"on_behalf_because": "x"}):
        page = client.post("/manage/addresses/answer/", typed).content.decode()
        assert f"代{handler.agency}辦理" in page
    assert "請勾選" in client.post("/manage/addresses/acknowledge/", asked).content.decode()
    client.force_login(platform)
    assert "與您自己有關" in client.post("/manage/addresses/answer/", ticked).content.decode()
    assert not Answer.objects.exists()
    assert not Event.objects.filter(verb__in=["answer_advisory", "acknowledge_advisory"]).exists()
    client.force_login(deputy)
    assert client.post("/manage/addresses/answer/", ticked).status_code == 302
    for address in (f"/manage/addresses/{own.pk}/history/", "/manage/trail/"):
        page = shown(client, platform, address)
        assert f"代 {handler.agency.name}" in page and "機關網路中斷" in page
    assert f"代{handler.agency}：機關網路中斷" in shown(
        client, handler, f"/manage/addresses/{own.pk}/"
    )
    assert Answer.objects.get().by_name == deputy.name
    client.force_login(handler)
    page = client.post("/manage/addresses/answer/", {"ids": own.pk}).content.decode()
    assert "on_behalf" not in page  # of the own agency nothing is asked


def test_a_file_is_encrypted_evidence_of_an_answer(client, platform, handler, other, advisory):
    own = address_of(handler, {})
    client.force_login(handler)
    page = f"/manage/addresses/{own.pk}/evidence/"
    assert client.get(page).status_code == 200
    content = b"%PDF-1.4 " + b"screenshot" * 400
    answer = client.post(page, {"file": SimpleUploadedFile("盤點結果.pdf", content)})
    assert answer.status_code == 302
    kept = EvidenceFile.objects.get()
    assert (kept.media_type, kept.size, kept.name) == (
        "application/pdf",
        len(content),
        "盤點結果.pdf",
    )
    assert b"screenshot" not in bytes(kept.pieces.get().data)
    file = f"/manage/evidence/{kept.pk}/"
    got = client.get(file)
    assert b"".join(got.streaming_content) == content
    assert got["Content-Disposition"].startswith("attachment")
    assert not Event.objects.filter(verb="open_evidence").exists()
    assert "盤點結果.pdf" in shown(client, handler, f"/manage/addresses/{own.pk}/")
    client.force_login(other)
    assert client.get(file).status_code == 404 and client.get(page).status_code == 404
    client.force_login(platform)
    assert client.get(file).status_code == 200
    assert Event.objects.get(verb="open_evidence").actor == platform.username
    assert client.get(page).status_code == 404  # evidence is the agency's own


@pytest.mark.parametrize(
    "file",
    [
        ("x.pdf", b"", "檔案是空的"),
        ("x.exe", b"MZ\0\0", "佐證可以是"),
        ("x.html", b"<script>alert(1)</script>", "佐證可以是"),
        ("x.txt", b"<html>", "佐證可以是"),
        ("x.svg", b"<svg/>", "佐證可以是"),
        ("x.pdf", b"%PDF" + b"x" * 6_000_000, "檔案超過 5 MB"),
    ],
)
def test_what_is_no_evidence_gets_a_sentence(client, handler, advisory, file):
    name, content, says = file
    client.force_login(handler)
    page = f"/manage/addresses/{address_of(handler, {}).pk}/evidence/"
    answer = client.post(page, {"file": SimpleUploadedFile(name, content)})
    assert answer.status_code in {200, 413} and not EvidenceFile.objects.exists()
    if answer.status_code == 200:
        words = answer.content.decode()
        assert says in words or "空的" in words


def test_evidence_has_a_bound_and_hides_national_ids_in_names(handler, advisory, monkeypatch):
    own = address_of(handler, {})
    monkeypatch.setattr(evidence, "MOST_FILES", 1)
    evidence.add(own, SimpleUploadedFile("A123456789 名單.txt", b"x"), by=handler)
    assert "A123456789" not in EvidenceFile.objects.get().name
    with pytest.raises(ActionRefused, match="最多附 1 個"):
        evidence.add(own, SimpleUploadedFile("b.txt", b"x"), by=handler)


# --- To whom -------------------------------------------------------------------------------------


def addressed(client, platform, **asked):
    """The agencies that a filled publish form reaches."""
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    client.force_login(platform)
    ids = {"ids": [Advisory.objects.get().pk], "confirmed": "1", "without_due": "on"}
    answer = client.post("/manage/advisories/publish/", ids | asked)
    assert answer.status_code == 302, answer.content.decode()
    return set(Address.objects.values_list("agency__code", flat=True))


def test_to_all_agencies(client, platform, handler):
    every = set(Agency.objects.values_list("code", flat=True))
    assert addressed(client, platform, everybody="on") == every


def test_to_a_group_and_to_grades(client, platform, handler, other):
    group = AgencyGroup.objects.create(name="甲組")
    group.agencies.set([handler.agency])
    since = timezone.localdate() - timedelta(days=5)
    values = {"since": since, "recorded_by": "test"}
    AgencyGrade.objects.create(agency=other.agency, grade="A", **values)
    AgencyGrade.objects.create(agency=platform.agency, grade="A", **values)
    AgencyGrade.objects.create(agency=platform.agency, grade="B", **values | {"since": days(-1)})
    found = addressed(client, platform, group=group.pk, grades=["A"])
    assert found == {handler.agency.code, other.agency.code}


def test_to_those_who_own_such_a_device(client, platform, handler, other):
    device(handler, brand="TP-Link", model="Archer C6")
    device(other, brand="Zyxel", model="Archer C6")
    assert addressed(client, platform, with_device="on") == {handler.agency.code}


def test_a_condition_that_nobody_meets_says_so(client, platform, handler):
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    client.force_login(platform)
    ids = {"ids": [Advisory.objects.get().pk], "confirmed": "1", "without_due": "on"}
    page = client.post("/manage/advisories/publish/", ids | {"with_device": "on"}).content.decode()
    assert "沒有符合條件的機關" in page
    assert "請至少選擇一個機關" in client.post("/manage/advisories/publish/", ids).content.decode()


# --- What is typed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("cve-2026-0001、CVE-2026-12345", ["CVE-2026-0001", "CVE-2026-12345"]),
        ("CVE-2026-0001\r\nCVE-2026-0002\n", ["CVE-2026-0001", "CVE-2026-0002"]),
        ("ＣＶＥ－２０２６－０００１；CVE-2026-0001", ["CVE-2026-0001"]),
        ("", []),
        ("HELLO、WORLD", None),
        ("CVE-2026-1", None),
        ("CVE-26-0001", None),
        ("CVE-2026-0001 x", None),
    ],
)
def test_the_field_of_cves_takes_cves(client, platform, typed, kept):
    client.force_login(platform)
    form = {
        **{"title": "示範", "severity": "high", "tlp": "green", "source": "示範中心"},
        **{"issued_on": "115-11-01", "cves": typed},
    }
    answer = client.post("/manage/advisories/add/", form)
    if kept is None:
        assert "不是 CVE 編號" in answer.content.decode() and not Advisory.objects.exists()
    else:
        assert answer.status_code == 302
        assert Advisory.objects.get().cves == kept


def test_an_advisory_is_found_by_its_cve(client, platform):
    data = stix(*misp_event("grouping"))
    advisory_importing.import_advisories(data, by=platform)
    client.force_login(platform)
    for q in ("cve-2026-0001", "2026-0001"):
        page = client.get("/manage/advisories/", {"field": "cve_words", "q": q}).content.decode()
        assert "魚叉式釣魚" in page


# --- IOCs ----------------------------------------------------------------------------------------


def test_an_event_of_misp_has_a_table_of_iocs(client, platform, handler, other):
    advisory_importing.import_advisories(stix(*misp_event("grouping")), by=platform)
    advisory = Advisory.objects.get()
    assert set(Indicator.objects.values_list("kind", "value", "detects")) == {
        ("網域", "evil.example", True),
        ("IPv4", "192.0.2.7", False),
    }
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(3), by=platform)
    page = shown(client, handler, f"/manage/advisories/{advisory.pk}/")
    assert "evil.example" in page and "115-11-18 08:00" in page
    found = client.get("/manage/indicators/", {"field": "value", "q": "EVIL.example"})
    assert "魚叉式釣魚" in found.content.decode()
    ids = {"ids": [advisory.pk], "confirmed": "1"}
    made = client.post("/manage/advisories/iocs/", ids)
    lines = made.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("型別,值,首次出現,偵測") and len(lines) == 3
    out = client.post("/manage/advisories/stix/", ids).content
    assert set(intelligence.found_in(out)[0].iocs) == set(
        intelligence.found_in(stix(*misp_event("grouping")))[0].iocs
    )
    assert "evil.example" not in shown(client, other, "/manage/indicators/")
    client.force_login(other)
    assert client.get(f"/manage/indicators/{Indicator.objects.first().pk}/").status_code == 404


def test_later_indicators_take_the_place_of_the_former(platform):
    event = misp_event("grouping")
    advisory_importing.import_advisories(stix(*event), by=platform)
    later = {"modified": "2026-11-25T00:00:00.000Z"}
    changed = [
        {**one, **later, "pattern": "[url:value = 'http://evil.example/']"}
        if one["type"] == "indicator"
        else one
        for one in event
    ]
    assert advisory_importing.import_advisories(stix(*changed), by=platform) == Taken(0, 1, 0)
    assert {one.kind for one in Indicator.objects.all()} == {"URL", "IPv4"}


# --- Devices -------------------------------------------------------------------------------------


def device(user, **reported):
    made = {"kind": "hardware", "network": "official", "asset_no": f"D{Device.objects.count()}"}
    return Device.objects.create(agency=user.agency, **made | reported)


def hits(advisory):
    return {
        hit.device.brand: hit.words
        for hit in affected_devices.devices_of(advisory, Device.objects.all())
    }


def about(platform, vendor, product="", versions=""):
    values = {"vendor": vendor, "product": product, "versions": versions}
    advisory = Advisory(title="x", severity="low", source="x", issued_on=days(0), products=[values])
    return advisory_actions.save(advisory, by=platform)


def test_vendors_are_found_under_all_of_their_names(client, platform):
    device(platform, brand="微軟", model="Windows 11")
    device(platform, brand="海康威視 HIKVISION", model="DS-1")
    assert set(hits(about(platform, "Microsoft"))) == {"微軟"}
    assert set(hits(about(platform, "Hikvision"))) == {"海康威視 HIKVISION"}
    assert hits(about(platform, "示範商")) == {}
    client.force_login(platform)
    answer = client.post("/manage/vendors/add/", {"name": "示範商", "aliases": "海康威視"})
    assert "已是另一個廠牌" in answer.content.decode()
    device(platform, brand="Demo Corp", model="1")
    assert (
        client.post("/manage/vendors/add/", {"name": "示範商", "aliases": "Demo Corp"}).status_code
        == 302
    )
    assert set(hits(about(platform, "示範商"))) == {"Demo Corp"}
    assert Vendor.objects.filter(name="Microsoft", aliases__contains="微軟").exists()


@pytest.mark.parametrize("vendor", ["*", "n/a", "N/A", "", "unknown", "C*sco", "*o*"])
def test_names_from_files_are_never_patterns(platform, vendor):
    device(platform, brand="Cisco", model="1")
    device(platform, brand="n/a", model="1")
    assert hits(about(platform, vendor)) == {}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("FortiOS 7.4.1", "版本受影響"),
        ("FortiOS 7.6.0", "版本不在受影響範圍"),
        ("FortiOS", "廠牌與型號相符"),
        ("FortiOS 2019", "廠牌與型號相符"),
        ("FortiSwitch", "廠牌相符"),
        ("", "廠牌相符"),
    ],
)
def test_versions_are_compared_where_both_have_one(platform, model, words):
    device(platform, brand="Fortinet", model=model)
    assert hits(about(platform, "Fortinet", "FortiOS", "7.4.0 到 7.4.9")) == {"Fortinet": words}


def test_many_devices_are_paged(client, platform, handler):
    advisory = about(platform, "Cisco")
    Device.objects.bulk_create(
        Device(
            agency=handler.agency,
            asset_no=f"C{n}",
            kind="hardware",
            network="official",
            brand="Cisco",
            model=f"m{n}",
        )
        for n in range(130)
    )
    page = shown(client, platform, f"/manage/advisories/{advisory.pk}/")
    assert "130 台" in page and page.count("廠牌相符") == 20
    whole = client.get(f"/manage/advisories/{advisory.pk}/devices/", {"page": "3"}).content.decode()
    assert whole.count("廠牌相符") == 30
    client.force_login(handler)
    assert client.get(f"/manage/advisories/{advisory.pk}/devices/").status_code == 404


def test_stars_are_matched_in_time_linear_in_the_text():
    """Patterns that regular expressions need hours for; each is found or not as one would think."""
    brand = "a" * 2_000
    for stars in (1, 8, 200):
        pattern = "*".join("a" * stars) + "*b"
        assert product_matching.match([(brand, brand)], {1: (pattern, "")}) == {}
        assert product_matching.match([(brand, brand)], {1: ("a*", pattern)}) == {}
    assert product_matching.match([("aXbYc", "m")], {1: ("a*b*c", "")}) == {("aXbYc", "m"): 1}


def test_matching_is_what_a_regular_expression_would_find():
    """Against the slow, obvious reference on short texts, where it is fast."""
    import re
    import unicodedata

    chance = random.Random(7)

    def reference(brand, pattern):
        def plain(text):
            return " ".join(
                re.split(r"[\s　\-_‐-―]+", unicodedata.normalize("NFKC", text).casefold())
            ).strip()

        written, words = plain(brand), plain(pattern)
        body = "".join(
            ".*" if c == "*" else " ?" if c == " " else re.escape(c) + " ?" for c in words
        )
        body = body.removesuffix(" ?")
        before = "(?<![a-z0-9])" if re.match("[a-z0-9]", words[:1]) else ""
        after = "(?![a-z0-9])" if re.match("[a-z0-9]", words[-1:]) else ""
        return bool(re.search(f"{before}{body}{after}", written))

    for _ in range(3_000):
        brand = "".join(chance.choices("ab海 -", k=chance.randint(1, 7))).strip(" -") or "a"
        pattern = "".join(chance.choices("ab海*", k=chance.randint(1, 4)))
        found = bool(product_matching.match([(brand, "")], {1: (pattern, "")}))
        assert found == reference(brand, pattern), (brand, pattern)


# --- Out and in again ----------------------------------------------------------------------------


def test_what_goes_out_comes_back_unchanged_with_its_tlp(client, platform, handler):
    """CVE, KEV and STIX, one that was written here, and one that was made stricter here."""
    record = cve_record()
    advisory_importing.import_advisories(as_bytes(record), by=platform)
    advisory_importing.import_advisories(stix(*misp_event("grouping")), by=platform)
    advisory_importing.import_advisories(stix(*misp_event("loose")), by=platform)
    about(platform, "示範商", "路由器", "1.0 到 2.0")
    for one in Advisory.objects.all():
        edit(one, platform, tlp="amber+strict")
    client.force_login(platform)
    ids = list(Advisory.objects.values_list("pk", flat=True))
    out = client.post("/manage/advisories/stix/", {"ids": ids, "confirmed": "1"}).content
    before = list(Advisory.objects.values())
    assert advisory_importing.import_advisories(out, by=platform) == Taken(0, 0, len(ids))
    assert list(Advisory.objects.values()) == before
    assert {one.tlp for one in intelligence.found_in(out)} == {"amber+strict"}
    Advisory.objects.all().delete()
    assert advisory_importing.import_advisories(out, by=platform) == Taken(len(ids), 0, 0)
    assert set(Advisory.objects.values_list("tlp", flat=True)) == {"amber+strict"}
    assert advisory_importing.import_advisories(out, by=platform) == Taken(0, 0, len(ids))


# --- Many at once --------------------------------------------------------------------------------


def test_a_large_file_is_stored_in_short_transactions(platform, monkeypatch):
    """Each with its event; what is read is read before the first of them."""
    flaws = [thing("vulnerability", n, name=f"CVE-2026-{n:05}") for n in range(10, 260)]
    in_transaction = []
    read = intelligence.read

    def spied(data):
        in_transaction.append(connection.in_atomic_block)
        return read(data)

    monkeypatch.setattr(intelligence, "read", spied)
    savepoints = len(connection.savepoint_ids)
    assert advisory_importing.import_advisories(stix(*flaws), by=platform) == Taken(250, 0, 0)
    assert len(connection.savepoint_ids) == savepoints and len(in_transaction) == 1
    events = Event.objects.filter(verb="take_in_advisories")
    assert [one.detail["created"] for one in events.order_by("number")] == [100, 100, 50]
    assert advisory_importing.import_advisories(stix(*flaws), by=platform) == Taken(0, 0, 250)


def test_a_national_id_in_a_file_is_masked_in_all_that_is_kept(platform):
    person = "A123456789"
    event = misp_event("grouping")
    event[-1] = {**event[-1], "name": f"聯絡 {person}", "x_note": {"deep": [person]}}
    event.append(
        thing(
            "indicator",
            50,
            pattern=f"[user-account:user_id = '{person}']",
            created_by_ref=event[0]["id"],
        )
    )
    event[-2]["object_refs"] = [*event[-2]["object_refs"], event[-1]["id"]]
    advisory_importing.import_advisories(stix(*event), by=platform)
    advisory_importing.import_advisories(as_bytes(cve_record(title=person)), by=platform)
    kept = json.dumps(
        list(Advisory.objects.values()) + list(Indicator.objects.values()), default=str
    )
    assert person not in kept and "A12345****" in kept
    found = advisory_importing.import_advisories(stix(*event), by=platform)
    assert found == Taken(0, 0, 1)


@pytest.mark.parametrize(
    ("tlp", "is_kept"), [("amber+strict", True), ("red", True), ("amber", False), ("clear", False)]
)
def test_a_title_that_may_not_be_passed_on_stays_out_of_notices(platform, handler, tlp, is_kept):
    """They go out by mail; the page behind the sign-in has the title."""
    advisory = Advisory(
        title="機房門禁弱點", severity="high", source="示範", tlp=tlp, issued_on=days(0)
    )
    advisory_actions.save(advisory, by=platform)
    agencies = [handler.agency]
    advisory_actions.publish(advisory, agencies=agencies, due_on=days(2), by=platform)
    advisory_actions.extend(Advisory.objects.get(), due_on=days(3), reason="示範", by=platform)
    reminders.remind()
    advisory_actions.remove(advisory.addresses.get(), reason="示範", by=platform)
    subjects = list(Notice.objects.values_list("subject", flat=True))
    assert len(subjects) >= 4
    assert all(("機房門禁弱點" in one) is not is_kept for one in subjects)
