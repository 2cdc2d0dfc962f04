"""學習地圖管理: rules with their day, examples that guard them, who turns red before it is saved."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from ismp.accounts.actions import postings as people
from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.compliance.models import Example, PolicyVersion, Rule, RuleVersion
from ismp.compliance.rules import actions as rule_actions
from ismp.compliance.rules import statute
from ismp.compliance.standing import table as standing_table
from ismp.errors import ActionRefused
from tests.support.portal_files import PERSON, data, row

pytestmark = pytest.mark.django_db
RULES = "/manage/learning-map/rules/"
TOMORROW = date(2030, 1, 1)


@pytest.fixture
def admin(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    return client


def general():
    return Rule.objects.get(identity="general")


def asked(**changes):
    filled = {"grades": list("ABCDE"), "hours": "6", "citation": "試行要點", "since": "119-01-01"}
    return {**filled, **changes}


def test_the_shipped_rules_are_the_law(city):
    for on in (date(2021, 8, 22), date(2021, 8, 23), date(2026, 1, 6), date(2026, 1, 7)):
        own = {(d.identity, d.categories, d.years, d.hours, d.grades) for d in statute.duties() if d.since <= on <= (d.until or on)}  # fmt: skip
        stored = standing_table.InForce.on(on).duties
        assert {(d.identity, d.categories, d.years, d.hours, d.grades) for d in stored} == own
    assert len(standing_table.InForce.on(date(2026, 1, 7), known_at=timezone.now()).duties) == 4


def test_every_manager_reads_the_rules(clerk):
    page = clerk.get(RULES).content.decode()
    assert page.count("資通安全責任等級分級辦法") == 4
    assert "今年與前一年" in page
    assert "訂定新版本" not in clerk.get(f"{RULES}{general().pk}/").content.decode()


def test_a_change_is_weighed_then_written_and_the_past_stays(admin, import_bytes):
    import_bytes(data(row()))
    rule = general()
    address = f"{RULES}{rule.pk}/change/"
    page = admin.post(address, asked(hours="2.5")).content.decode()
    before = len(standing_table.behind(standing_table.table()))
    assert f"未達標 <b>{before}</b> 人 → <b>{before}</b> 人" in page
    for words in ("A級、B級、C級、D級、E級", "2.5", "試行要點", "119-01-01"):
        assert f"<dd>{words}</dd>" in page
    assert RuleVersion.objects.filter(rule=rule).count() == 1
    answer = admin.post(address, {**asked(hours="2.5"), "confirmed": "1"})
    assert answer["Location"] == rule.get_absolute_url()
    [old] = RuleVersion.objects.on(date(2026, 12, 31)).filter(rule=rule)
    [new] = RuleVersion.objects.on(TOMORROW).filter(rule=rule)
    assert (old.hours, new.hours) == (3_000, 2_500)
    event = Event.objects.get(verb="change_rule")
    assert (event.actor, event.detail["since"]) == ("IC1001", "119-01-01")


def test_the_preview_names_who_turns_red(admin, import_bytes):
    import_bytes(data(row()))  # three hours for one person
    Account.objects.filter(username=PERSON.username).update(identities="general")
    Account.objects.get(username=PERSON.username).postings.update(identities="general")
    page = admin.post(f"{RULES}{general().pk}/change/", asked(hours="4")).content.decode()
    assert "會變成未達標 <b>1</b> 人" in page
    assert f"{PERSON.username} {PERSON.name}" in page
    page = admin.post(f"{RULES}{general().pk}/end/", asked()).content.decode()
    assert "會變成達標" in page and "會變成未達標" not in page


def test_a_failing_example_refuses_the_change_and_is_named(admin):
    change = asked(hours="6", since="115-01-01")
    page = admin.post(f"{RULES}{general().pk}/change/", change).content.decode()
    assert "範例「今年兩次共 3 小時」應為已達標，這樣存檔會變成還差 3 小時" in page
    assert RuleVersion.objects.filter(rule=general()).count() == 1
    assert not Event.objects.filter(verb="change_rule").exists()


def test_a_rule_may_be_added_and_ended(admin):
    new = asked(identity="general", categories="522+523", years="2", hours="1")
    page = admin.post(f"{RULES}add/", new).content.decode()
    assert "確定存檔" in page
    admin.post(f"{RULES}add/", {**new, "confirmed": "1"})
    rule = Rule.objects.get(categories="522+523")
    assert [d.rule for d in standing_table.InForce.on(TOMORROW).duties].count(rule.pk) == 1
    ended = {"citation": "停止試行", "since": "119-06-01", "confirmed": "1"}
    admin.post(f"{RULES}{rule.pk}/end/", ended)
    assert rule.pk in {d.rule for d in standing_table.InForce.on(date(2030, 5, 31)).duties}
    assert rule.pk not in {d.rule for d in standing_table.InForce.on(date(2030, 6, 1)).duties}


def test_a_policy_holds_from_its_day(admin):
    chosen = {"two_years": "pairs", "grace_days": "30", "since": "119-01-01", "confirmed": "1"}
    admin.post(f"{RULES}policy/", chosen)
    policy = standing_table.InForce.on(TOMORROW).policy
    assert (policy.two_years, policy.grace_days, policy.unlisted_as_general) == ("pairs", 30, False)
    assert standing_table.InForce.on(TOMORROW - timedelta(days=1)).policy.two_years == "rolling"
    assert Event.objects.filter(verb="set_policy").count() == 1


def test_examples_must_come_out_as_written(admin):
    address = f"{RULES}{general().pk}/examples/add/"
    values = {"title": "兩次", "on": "115-12-31", "grade": "A", "records": "522 115-01-05 1\n522 115-02-05 1", "owed": "on"}  # fmt: skip
    page = admin.post(address, {**values, "missing": "0"}).content.decode()
    assert "應為已達標，這樣存檔會變成還差 1 小時" in page
    assert admin.post(address, {**values, "missing": "1"}).status_code == 302
    example = Example.objects.get(title="兩次")
    assert example.missing == 1_000
    admin.post(f"{RULES}examples/{example.pk}/remove/")
    assert not Example.objects.filter(title="兩次").exists()
    assert list(Event.objects.order_by("number").values_list("verb", flat=True))[-2:] == [
        "add_example",
        "remove_example",
    ]


@pytest.mark.parametrize(
    ("place", "fill", "sentence"),
    [
        ("change", {"grades": []}, "請填寫適用的責任等級。"),
        ("change", {"hours": "0"}, "大於或等於"),
        ("change", {"hours": "x"}, "數字"),
        ("change", {"since": "119-13-01"}, "日期請寫成 115-01-01 的樣子。"),
        ("examples/add", {"records": "522 3"}, "請寫成 523 115-03-05 6 的樣子。"),
        ("examples/add", {"records": "521 115-01-05 3"}, "請寫成 523 115-03-05 6 的樣子。"),
        ("examples/add", {"records": "522 115-02-30 3"}, "日期請寫成"),
        ("examples/add", {"missing": "", "owed": "on"}, "請填寫還差幾小時"),
    ],
)
def test_a_bad_input_gets_a_sentence(admin, place, fill, sentence):
    filled = asked(title="案例", on="115-12-31", missing="3", owed="on", records="")
    page = admin.post(f"{RULES}{general().pk}/{place}/", {**filled, **fill}).content.decode()
    assert sentence in page


def test_the_policy_may_not_break_an_example(account):
    with pytest.raises(ActionRefused, match="兩年合計：前一年"):
        rule_actions.set_policy(
            two_years="pairs",
            grace_days=0,
            unlisted=True,
            since=date(2020, 1, 1),
            by=_with_example(account),
        )
    assert not PolicyVersion.objects.exists()


def _with_example(account):
    """An example that only holds while two years are this one and the one before."""
    admin = account("IC1001", "platform_admin")
    rule_actions.add_example(
        Rule.objects.get(identity="it", categories="523"),
        title="兩年合計：前一年",
        on=date(2025, 6, 30),
        grade="A",
        records=[[523, "2024-05-01", 3_000]],
        missing=0,
        by=admin,
    )
    return admin


# What an import changed


def test_the_result_of_an_import_says_whom_it_turned_green(clerk, import_bytes):
    Account.objects.get(username=PERSON.username).postings.update(identities="general")
    run = import_bytes(data(row()))["run"]
    window = clerk.get(run.get_absolute_url()).content.decode()
    address = f"/manage/learning-map/runs/{run.pk}/effect/"
    assert f'hx-get="{address}"' in window
    part = clerk.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "變成達標 <b>1</b> 人" in part
    assert f"{PERSON.username} {PERSON.name}" in part
    page = clerk.get(address).content.decode()
    assert "這次匯入改變了什麼" in page and PERSON.national_id not in page


# Versions that come later, and mistaken ones


def test_a_version_before_a_later_one_is_refused_or_replaces_it(admin):
    rule, address = general(), f"{RULES}{general().pk}/change/"
    admin.post(address, {**asked(), "confirmed": "1"})
    early = asked(hours="5", since="118-01-01", confirmed="1")
    page = admin.post(address, early).content.decode()
    assert "119-01-01 起6 小時" in page and "取代之後的版本" in page
    admin.post(address, {**early, "replace": "on"})
    assert [one.hours for one in rule.versions.standing().order_by("since")] == [3_000, 5_000]
    assert (
        "119-01-01" in Event.objects.filter(verb="change_rule").latest("number").detail["replaced"]
    )
    with pytest.raises(ActionRefused, match="118-01-01"):
        rule_actions.end_rule(
            rule, citation="x", since=date(2028, 1, 1), by=Account.objects.first()
        )


def test_a_version_is_cancelled_with_a_reason_after_the_people_concerned_are_shown(
    admin, import_bytes
):
    import_bytes(data(row()))  # three hours for one person
    Account.objects.get(username=PERSON.username).postings.update(identities="general")
    admin.post(f"{RULES}{general().pk}/change/", {**asked(hours="4"), "confirmed": "1"})
    version = general().versions.latest("since")
    address = f"{RULES}versions/{version.pk}/cancel/"
    assert address in admin.get(f"{RULES}{general().pk}/").content.decode()
    page = admin.post(address, {"reason": "時數誤植"}).content.decode()
    assert "適用 119-01-01 的規定" in page and f"{PERSON.username} {PERSON.name}" in page
    assert general().versions.standing().count() == 2
    admin.post(address, {"reason": "時數誤植", "confirmed": "1"})
    assert [one.hours for one in general().versions.standing()] == [3_000]
    assert standing_table.InForce.on(TOMORROW) == standing_table.InForce.on(TOMORROW - timedelta(1))
    assert "時數誤植" in admin.get(f"{RULES}{general().pk}/").content.decode()
    assert admin.get(address).status_code == 404


def test_a_policy_is_cancelled_and_an_earlier_one_is_not_made_without_effect(admin):
    chosen = {"two_years": "pairs", "grace_days": "30", "since": "119-01-01", "confirmed": "1"}
    admin.post(f"{RULES}policy/", chosen)
    page = admin.post(f"{RULES}policy/", {**chosen, "since": "118-01-01"}).content.decode()
    assert "取代之後的版本" in page and PolicyVersion.objects.count() == 1
    version = PolicyVersion.objects.get()
    assert f"policy/{version.pk}/cancel/" in admin.get(RULES).content.decode()
    admin.post(f"{RULES}policy/{version.pk}/cancel/", {"reason": "誤植", "confirmed": "1"})
    assert standing_table.InForce.on(TOMORROW).policy.two_years == "rolling"


def test_the_preview_of_a_grace_names_those_who_are_waited_for(admin):
    """F11: from red to amber is a change too; who was only transferred does not begin anew."""
    newcomer, moved = Account.objects.filter(status="active", identities="general")[:2]
    today = timezone.localdate()
    newcomer.postings.update(since=today - timedelta(days=10))
    there = Account.objects.get(username="CU1001").agency
    people.assign(moved, agency=there, since=today - timedelta(days=5), by="x")
    page = admin.post(
        f"{RULES}policy/",
        {"two_years": "rolling", "grace_days": "90", "unlisted": "on", "since": "115-01-01"},
    ).content.decode()
    assert "會變成寬限中 <b>1</b> 人" in page and "未達標 → 寬限中" in page
    assert newcomer.username in page and moved.username not in page
    assert "沒有人的達標狀況因此改變" not in page
