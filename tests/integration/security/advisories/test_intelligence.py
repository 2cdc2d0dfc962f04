"""Intelligence from files: STIX 2.1, CVE JSON 5, the KEV catalogue; and what agencies answer."""

import json
from datetime import date, timedelta

import pytest
import stix2
from django.utils import timezone

from ismp.accounts.models import Agency
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from ismp.security import intelligence
from ismp.security.advisories import affected_devices
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.advisories.actions import importing as advisory_importing
from ismp.security.devices.actions import devices as device_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.intelligence import IntelligenceRejected
from ismp.security.models import Address, Advisory, Device, Reply
from tests.support.intelligence import CVE, KEV, as_bytes, bundle, spoilt


def test_a_report_of_a_bundle_is_an_advisory_with_all_it_refers_to():
    report, alone = intelligence.found_in(bundle().serialize().encode())
    assert (report.title, report.source, report.tlp) == ("攝影機韌體弱點", "示範資安中心", "amber")
    assert (report.issued_on, report.cves) == (date(2026, 11, 20), ["CVE-2026-0001"])
    assert report.products == [
        {"vendor": "Hikvision", "product": "DS-2CD2042 Firmware", "versions": "5.4"}
    ]
    assert (alone.title, alone.tlp) == ("CVE-2026-0002", "clear")


def test_what_came_as_stix_goes_out_as_it_came():
    given = bundle()
    back = stix2.parse(intelligence.as_bundle(intelligence.found_in(given.serialize().encode())))
    assert {one.id: one for one in back.objects} == {one.id: one for one in given.objects}


def test_what_did_not_goes_out_as_a_report_that_says_the_same():
    [found] = intelligence.found_in(as_bytes(CVE))
    first, again = intelligence.as_bundle([found]), intelligence.as_bundle([found])
    assert first == again
    stix2.parse(first)
    [back] = intelligence.found_in(first.encode())
    assert (back.title, back.source, back.cves) == (found.title, "CVE", found.cves)
    assert back.products == found.products


def test_a_cve_record_and_the_kev_catalogue():
    [cve] = intelligence.found_in(as_bytes(CVE))
    assert (cve.severity, cve.body, cve.source_id) == ("high", "弱點", "CVE-2026-1111")
    assert cve.products[0]["versions"] == "所有 到 1.2（不含）"
    [kev] = intelligence.found_in(as_bytes(KEV))
    assert (kev.severity, kev.due_on, kev.action) == ("critical", date(2026, 12, 9), "更新")


BAD = [
    (b"", "檔案是空的"),
    (b"\xff\xfe\x00", "文字編碼無法辨認"),
    (b"PK\x03\x04", "已損壞"),
    (b"[" * 100_000, "不是 JSON"),
    (b"[]", "空的清單"),
    (b"3", "不是 JSON"),
    (b"{}", "看不出"),
    (b'{"type": "bundle", "objects": [{"type": "report"}]}', "缺少必要|物件不合"),
    (b'{"type": "bundle", "objects": 5}', "缺少必要"),
    (spoilt(KEV, "vulnerabilities", 0, "cveID"), "缺少必要"),
    (spoilt(KEV, "vulnerabilities", 0, "dueDate", value="soon"), "不合格式"),
    (spoilt(CVE, "containers", "cna"), "缺少必要"),
    (spoilt(CVE, "cveMetadata", "datePublished", value="昨天"), "不合格式"),
    (
        as_bytes(json.loads(bundle().serialize()) | {"objects": [{"type": "report", "id": "x"}]}),
        "第 1 個物件",
    ),
]


@pytest.mark.parametrize(("data", "sentence"), BAD)
def test_a_file_that_is_not_in_order_is_refused_with_a_sentence(data, sentence):
    with pytest.raises(IntelligenceRejected, match=sentence):
        intelligence.found_in(data)


@pytest.mark.django_db
def test_the_same_file_again_changes_nothing_and_a_newer_one_updates(platform):
    data = as_bytes(CVE)
    assert advisory_importing.import_advisories(data, by=platform) == advisory_importing.Taken(
        1, 0, 0
    )
    assert advisory_importing.import_advisories(data, by=platform) == advisory_importing.Taken(
        0, 0, 1
    )
    newer = spoilt(CVE, "cveMetadata", "dateUpdated", value="2026-11-01T00:00:00Z")
    assert advisory_importing.import_advisories(newer, by=platform) == advisory_importing.Taken(
        0, 1, 0
    )
    assert Advisory.objects.get().source_modified.startswith("2026-11-01")


@pytest.mark.django_db
def test_a_bad_file_takes_nothing(platform):
    with pytest.raises(IntelligenceRejected):
        advisory_importing.import_advisories(b"{}", by=platform)
    with pytest.raises(IntelligenceRejected, match="已被撤銷"):
        rejected = spoilt(CVE, "cveMetadata", "state", value="REJECTED")
        advisory_importing.import_advisories(rejected, by=platform)
    assert not Advisory.objects.exists()


@pytest.mark.django_db
def test_from_the_file_to_the_last_agencys_answer(platform, handler, account):
    """Advisory → devices → answer → incident, and back."""
    advisory_importing.import_advisories(bundle().serialize().encode(), by=platform)
    advisory = Advisory.objects.get(title="攝影機韌體弱點")
    own = Device(
        agency=handler.agency,
        asset_no="A-1",
        kind="hardware",
        brand="HIKVISION",
        model="DS-2CD2042",
        network="official",
    )
    device_actions.save_device(own, by=handler)
    other = Device(
        agency=platform.agency, asset_no="A-1", kind="hardware", brand="海康", network="offline"
    )
    device_actions.save_device(other, by=platform)
    today = timezone.localdate()
    assert not Advisory.objects.visible_to(handler).exists()
    advisory_actions.publish(
        advisory, agencies=Agency.objects.all(), due_on=today + timedelta(days=7), by=platform
    )
    assert Notice.objects.filter(account=handler, kind="advisory").exists()
    assert Advisory.objects.visible_to(handler).get() == advisory
    found = affected_devices.devices_of(advisory, Device.objects.visible_to(handler))
    assert found == [(own, True, None)]
    address = Address.objects.visible_to(handler).get()
    with pytest.raises(ActionRefused, match="佐證"):
        advisory_actions.answer(address, Reply.AFFECTED, evidence=" ", by=handler)
    advisory_actions.answer(address, Reply.AFFECTED, evidence="盤點後一台", by=handler)
    incident = incident_actions.open_incident(
        agency=handler.agency,
        title="攝影機遭入侵",
        description="x",
        answers={},
        known_at=timezone.now(),
        by=handler,
    )
    advisory_actions.attach(address, incident, by=handler)
    assert incident.advisories.get().advisory == advisory
    assert advisory_actions.standing(advisory, today + timedelta(days=8)) == {
        "total": 3,
        "seen": 1,
        "late": 2,
        "none": 2,
        "affected": 1,
        "not_affected": 0,
        "done": 0,
    }
    stranger = account("CU1001", "agency_admin")
    with pytest.raises(ActionRefused, match="不是本機關"):
        theirs = Address.objects.visible_to(stranger).get()
        advisory_actions.attach(theirs, incident, by=stranger)
    exported = intelligence.as_bundle([advisory_actions.as_found(advisory)])
    assert advisory.source_id in exported


@pytest.mark.django_db
def test_an_advisory_needs_agencies_and_a_day_to_come(platform):
    advisory_importing.import_advisories(as_bytes(KEV), by=platform)
    advisory = Advisory.objects.get()
    with pytest.raises(ActionRefused, match="至少選擇一個"):
        advisory_actions.publish(advisory, agencies=[], due_on=None, by=platform)
    yesterday = timezone.localdate() - timedelta(days=1)
    with pytest.raises(ActionRefused, match="不能早於今天"):
        advisory_actions.publish(
            advisory, agencies=Agency.objects.all(), due_on=yesterday, by=platform
        )


@pytest.mark.django_db
def test_a_national_id_stands_in_no_text_of_an_advisory_written_by_hand(platform):
    values = dict.fromkeys(("title", "body", "action"), "請聯絡 A123456789")
    advisory = Advisory(severity="low", source="x", issued_on=timezone.localdate(), **values)
    advisory_actions.save(advisory, by=platform)
    kept = Advisory.objects.values_list("title", "body", "action").get()
    assert set(kept) == {"請聯絡 A12345****"}
