"""A source speaks again: what people decided stays, the newest version stands beside it."""

from random import Random

import pytest

from ismp.accounts.models import Account, Agency
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.notifications.models import Notice
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.advisories.actions import importing as advisory_importing
from ismp.security.advisories.actions.importing import Taken
from ismp.security.models import Address, Advisory, Reply
from tests.support.advisory_versions import (
    AMBER,
    GREEN,
    RED,
    TLP_1,
    bundle,
    cve,
    days,
    edit,
    report,
)
from tests.support.intelligence import CVE, KEV, as_bytes, spoilt

pytestmark = pytest.mark.django_db


def said(text):
    return [{"lang": "en", "value": text}]


def test_what_the_platform_decided_survives_a_later_version(client, platform, handler):
    advisory_importing.import_advisories(cve(3), by=platform)
    advisory = Advisory.objects.get()
    edit(advisory, platform, title="【本市】路由器弱點", severity="critical", tlp="amber")
    agencies = [handler.agency]
    advisory_actions.publish(advisory, agencies=agencies, due_on=days(9), by=platform)
    Notice.objects.all().delete()
    later = cve(9, title="Router flaw, again", descriptions=said("new text"))
    assert advisory_importing.import_advisories(later, by=platform).updated == 1
    kept = Advisory.objects.get()
    decided = (kept.title, kept.severity, kept.tlp, kept.due_on)
    assert decided == ("【本市】路由器弱點", "critical", "amber", days(9))
    assert kept.body == "new text"  # nobody had decided that
    client.force_login(platform)
    page = client.get(f"/manage/advisories/{kept.pk}/").content.decode()
    assert "來源現在說" in page and "Router flaw, again" in page
    assert '<th scope="row">回覆期限</th>' not in page  # a source without one says nothing of it
    history = client.get(f"/manage/advisories/{kept.pk}/history/").content.decode()
    assert "來源的標題 Router flaw → Router flaw, again" in history
    assert [one.account for one in Notice.objects.all()] == [handler]
    assert Address.objects.get().due_on == days(9)


def test_an_older_version_replaces_nothing(platform):
    advisory_importing.import_advisories(cve(9, descriptions=said("new")), by=platform)
    assert (
        advisory_importing.import_advisories(
            cve(1, descriptions=said("OLDEST")), by=platform
        ).unchanged
        == 1
    )
    assert Advisory.objects.get().body == "new"


@pytest.mark.parametrize("order", [(22, 20), (20, 22)])
def test_of_two_versions_in_one_file_the_later_stands(platform, order):
    data = bundle(*(report(day, f"{day} 日版") for day in order))
    assert advisory_importing.import_advisories(data, by=platform).created == 1
    assert Advisory.objects.get().title == "22 日版"
    advisory_importing.import_advisories(bundle(report(20, "20 日版")), by=platform)
    assert Advisory.objects.get().title == "22 日版"


def test_a_file_makes_tlp_stricter_but_never_looser(platform, handler):
    advisory_importing.import_advisories(bundle(report(1, marking=AMBER)), by=platform)
    advisory_importing.import_advisories(bundle(report(2, marking=GREEN)), by=platform)
    advisory = Advisory.objects.get()
    assert (advisory.tlp, advisory.source_says["tlp"]) == ("amber", "green")
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(5), by=platform)
    advisory_importing.import_advisories(bundle(report(3, marking=RED)), by=platform)
    assert Advisory.objects.get().tlp == "red"
    advisory_importing.import_advisories(bundle(report(4)), by=platform)
    assert Advisory.objects.get().tlp == "red"


def test_any_changed_field_of_the_catalogue_is_an_update(platform):
    line = {**KEV["vulnerabilities"][0], "knownRansomwareCampaignUse": "Unknown", "cwes": []}
    kev = {**KEV, "vulnerabilities": [line]}
    advisory_importing.import_advisories(as_bytes(kev), by=platform)
    for name, value in (
        ("requiredAction", "停用產品"),
        ("dueDate", "2026-12-01"),
        ("knownRansomwareCampaignUse", "Known"),
        ("notes", "https://vendor.example/"),
        ("cwes", ["CWE-79"]),
        ("product", "Server 2"),
    ):
        line[name] = value
        assert advisory_importing.import_advisories(as_bytes(kev), by=platform) == Taken(0, 1, 0), (
            name
        )
        assert advisory_importing.import_advisories(as_bytes(kev), by=platform) == Taken(0, 0, 1), (
            name
        )
    later = as_bytes({**kev, "catalogVersion": "2026.11.25"})
    assert advisory_importing.import_advisories(later, by=platform) == Taken(0, 0, 1)
    line["requiredAction"] = "不再更新"
    assert advisory_importing.import_advisories(as_bytes(kev), by=platform) == Taken(
        0, 0, 1
    )  # of the 20th, older
    advisory = Advisory.objects.get()
    assert advisory.action == "停用產品"
    assert ["勒索軟體利用", "已知"] in advisory.details and ["CWE", "CWE-79"] in advisory.details


def test_a_day_of_the_file_that_is_over_is_refused_like_a_typed_one(client, platform, handler):
    over = spoilt(KEV, "vulnerabilities", 0, "dueDate", value=days(-3).isoformat())
    advisory_importing.import_advisories(over, by=platform)
    advisory = Advisory.objects.get()
    client.force_login(platform)
    asked = {"ids": [advisory.pk], "confirmed": "1", "agencies": [handler.agency_id]}
    page = client.post("/manage/advisories/publish/", asked).content.decode()
    assert "已經過了，請填寫新的回覆期限" in page
    assert not Address.objects.exists()
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(3), by=platform)
    assert Address.objects.get().due_on == days(3)


def test_publishing_without_a_day_asks(client, platform, handler):
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    client.force_login(platform)
    asked = {
        "ids": [Advisory.objects.get().pk],
        "confirmed": "1",
        "agencies": [handler.agency_id],
    }
    page = client.post("/manage/advisories/publish/", asked).content.decode()
    assert "沒有回覆期限" in page and not Address.objects.exists()
    assert (
        client.post("/manage/advisories/publish/", asked | {"without_due": "on"}).status_code == 302
    )
    assert Address.objects.get().due_on is None


def test_a_published_day_stays_for_those_who_have_it(platform, handler, account):
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    advisory = Advisory.objects.get()
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(5), by=platform)
    with pytest.raises(ActionRefused, match="展延期限"):
        advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(2), by=platform)
    other = account("CU1001", "agency_admin").agency
    advisory_actions.publish(advisory, agencies=[other], due_on=days(8), by=platform)
    dues = dict(Address.objects.values_list("agency__code", "due_on"))
    assert dues == {handler.agency.code: days(5), other.code: days(8)}


def test_a_day_is_extended_forward_only_and_visibly(client, platform, handler):
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    advisory = Advisory.objects.get()
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(5), by=platform)
    with pytest.raises(ActionRefused, match="要晚於目前的期限"):
        advisory_actions.extend(advisory, due_on=days(4), reason="x", by=platform)
    Notice.objects.all().delete()
    advisory_actions.extend(advisory, due_on=days(9), reason="更新檔未出", by=platform)
    assert Address.objects.get().due_on == days(9)
    assert "展延" in Notice.objects.get(account=handler).subject
    client.force_login(platform)
    history = client.get(f"/manage/advisories/{advisory.pk}/history/").content.decode()
    assert "展延情資回覆期限" in history and "更新檔未出" in history
    advisory_actions.answer(Address.objects.get(), Reply.DONE, evidence="已更新", by=handler)
    with pytest.raises(ActionRefused, match="沒有等候回覆"):
        advisory_actions.extend(advisory, due_on=days(20), reason="x", by=platform)


def test_agencies_are_notified_of_a_correction_of_a_published_one(client, platform, handler):
    advisory_importing.import_advisories(as_bytes(CVE), by=platform)
    advisory = Advisory.objects.get()
    advisory_actions.publish(advisory, agencies=[handler.agency], due_on=days(5), by=platform)
    Notice.objects.all().delete()
    edit(Advisory.objects.get(), platform, severity="low")
    assert "情資已更正" in Notice.objects.get(account=handler).subject
    change = Event.objects.filter(verb="save_advisory").latest("number").detail["changes"]
    assert change == [["嚴重程度", "高", "低"]]


@pytest.mark.parametrize("seed", range(8))
def test_random_orders_of_importing_and_deciding(platform, handler, seed):
    """Decisions change by people only; the newest version is what the source says."""
    chance = Random(seed)
    markings = list(TLP_1)
    versions = [
        report(day, f"第 {day} 版", marking=chance.choice(markings), body=f"內容 {day}")
        for day in range(1, 10)
    ]
    strictness = ["clear", "green", "amber", "amber+strict", "red"]
    advisory_importing.import_advisories(bundle(versions[4]), by=platform)
    newest, decided, held = 4, {}, {}
    for _ in range(14):
        before = Advisory.objects.get()
        match chance.choice(["import", "import", "edit", "publish", "answer"]):
            case "import":
                some = chance.sample(range(9), chance.randint(1, 4))
                newest = max(newest, *some)
                advisory_importing.import_advisories(
                    bundle(*(versions[one] for one in some)), by=platform
                )
                after = Advisory.objects.get()
                assert strictness.index(after.tlp) >= strictness.index(before.tlp)
            case "edit":
                name, values = chance.choice(
                    [("title", "甲乙丙"), ("body", "丁戊己"), ("tlp", strictness)]
                )
                value = chance.choice(values)
                if value != getattr(before, name):
                    decided[name] = value
                edit(Advisory.objects.get(), platform, **{name: value})
            case "publish":
                agencies = chance.sample(list(Agency.objects.all()), 2)
                advisory_actions.publish(
                    before, agencies=agencies, due_on=None, without_due=True, by=platform
                )
                for name in ("title", "severity", "tlp"):
                    decided.setdefault(name, getattr(Advisory.objects.get(), name))
            case "answer":
                for address in Address.objects.all()[:1]:
                    others = Account.objects.exclude(pk=platform.pk)
                    clerk = others.filter(agency=address.agency).first()
                    advisory_actions.answer(address, Reply.DONE, evidence="已更新", by=clerk)
                    held[address.pk] = "已更新"
        now = Advisory.objects.get()
        if "tlp" in decided and "tlp" not in now.decided:
            decided["tlp"] = max(decided["tlp"], now.tlp, key=strictness.index)  # stricter by file
        assert {name: getattr(now, name) for name in decided} == decided
        assert now.source_says["title"] == f"第 {newest + 1} 版"
        assert "body" in decided or now.body == f"內容 {newest + 1}"
        assert dict(Address.objects.exclude(reply="none").values_list("pk", "evidence")) == held
