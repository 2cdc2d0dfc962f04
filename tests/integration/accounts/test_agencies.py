"""機關: one code, however it is written; what becomes of an agency, and from which day on."""

import csv
import io
from datetime import timedelta

import openpyxl
import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import separation, timeline
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import cancelling
from ismp.accounts.actions import postings as accounts
from ismp.accounts.agencies import fold_code
from ismp.accounts.agencies.closing import actions as closing_actions
from ismp.accounts.models import Account, Agency, Closing, Grade, Posting, SecurityOfficer
from ismp.accounts.roster.lines import HEADER
from ismp.accounts.roster.reading import RosterRejected
from ismp.applications.actions import asking
from ismp.audit.models import Event
from ismp.compliance.models import Rule
from ismp.compliance.rules import actions as rules
from ismp.compliance.standing import explanation
from ismp.courses.models import Course, Teacher
from ismp.errors import ActionRefused
from ismp.hours.models import Record, Waiting
from ismp.hours.records import unclaimed
from ismp.imports.models import ImportRun
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.models import Address, AgencyGroup, Device
from ismp.ui.text import roc_dates
from tests.support.accounts import account_named
from tests.support.examples import modules
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "typed",
    [
        "382990100a",
        "３８２９９０１００Ａ",
        " 3829\u200b90100A\ufeff",
        '="382990100a"',
        "382990100A\r",
    ],
)
def test_a_code_is_the_same_in_any_case_width_and_wrapping(typed):
    assert fold_code(typed) == "382990100A"


def test_the_database_knows_a_code_in_one_case_only():
    agency = Agency.objects.create(code="382990100A", name="甲")
    with pytest.raises(IntegrityError), transaction.atomic():
        Agency.objects.create(code="382990100a", name="甲又")
    assert Agency.objects.find("３８２９９０１００ａ") == agency
    assert Agency.objects.find("") is None


# 機關管理

HERE = "/manage/agencies/"
A, B = "382990001Z", "382990002Z"


def today(days=0):
    return timezone.localdate() + timedelta(days=days)


def day(days):
    return roc_dates.roc_date(today(days))


def agency(code):
    return Agency.objects.get(code=code)


@pytest.fixture
def platform(client, account):
    client.force_login(account("CU1001", "platform_admin"))
    return client


def do(client, action, code, **typed):
    answer = client.post(f"{HERE}{action}/", {"ids": agency(code).pk, "confirmed": "1", **typed})
    return answer.content.decode()


def page(client, code):
    return client.get(f"{HERE}{agency(code).pk}/").content.decode()


def test_the_platform_adds_agencies_and_no_code_stands_twice(platform, city):
    made = {"code": "３８２９９０００９ｚ", "name": "新局", "contact_name": "王聯絡"}
    assert platform.post(f"{HERE}add/", made).status_code == 302
    assert agency("382990009Z").name == "新局"
    again = platform.post(f"{HERE}add/", {**made, "code": "382990009z", "name": "又一個"})
    assert "已經有機關使用" in again.content.decode()
    assert (
        "只能用英文字母與數字"
        in platform.post(f"{HERE}add/", {**made, "code": "甲"}).content.decode()
    )
    assert Agency.objects.filter(code__iexact="382990009z").count() == 1


def test_who_sees_which_agencies_and_who_changes_them(client, account):
    client.force_login(account("IC1001", "agency_admin"))
    rows = client.get(HERE).context["page"]
    assert [one.code for one in rows] == [A]
    assert client.get(f"{HERE}{agency(B).pk}/").status_code == 404
    assert client.get(f"{HERE}add/").status_code == 403
    assert "改名" not in page(client, A)
    client.force_login(account("IC1001", "auditor"))
    assert client.get(HERE).context["page"].paginator.count == Agency.objects.count()
    assert client.post(f"{HERE}grade/", {"ids": agency(A).pk}).status_code == 403


def test_a_rule_by_grade_applies_from_the_day_of_the_grade(platform, account):
    """F5: E asks nothing of some; what is entered here is what people are judged by."""
    rule = Rule.objects.get(identity="general")
    rule.examples.all().delete()
    by = account("CU1001", "platform_admin")
    rules.change_rule(rule, grades="AB", hours=9_000, citation="試", since=today(-30), by=by)
    person = Account.objects.filter(agency__code=A, identities="general", status="active").first()

    def owes(on):
        return {one.line.required for one in explanation.of_person(person, on)}

    assert "未核定" in page(platform, A)
    do(platform, "grade", A, grade="A", since=day(-10))
    do(platform, "grade", A, grade="C", since=day(5))
    assert owes(today()) == {9_000} and 9_000 not in owes(today(5))
    assert "A級" in page(platform, A) and "尚未生效" in page(platform, A)
    assert day(5) in do(platform, "grade", A, grade="B", since=day(2))
    entry = agency(A).grade_entries.get(grade="C")
    do(platform, "cancel", A, entry=f"grade-{entry.pk}", reason="誤植")
    assert owes(today(5)) == {9_000}
    assert "取消責任等級" in platform.get(f"{HERE}{agency(A).pk}/history/").content.decode()


def test_a_name_holds_from_its_day_and_the_past_keeps_the_old_one(platform):
    former = agency(A).name
    do(platform, "rename", A, name="數位發展局", since=day(-20))
    assert agency(A).name == "數位發展局"
    board = "/manage/learning-map/board/"
    assert former in platform.get(f"{board}?agency={A}&on={day(-21)}").content.decode()
    assert (
        "數位發展局達標狀況" in platform.get(f"{board}?agency={A}&on={day(-20)}").content.decode()
    )
    city = platform.get(f"/manage/learning-map/city/?on={day(-21)}").content.decode()
    assert former in city and "數位發展局" not in city
    do(platform, "rename", A, name="數發局", since=day(9))
    assert agency(A).name == "數位發展局"
    with time_machine.travel(today(9)):
        accounts.apply_due()
    assert agency(A).name == "數發局"
    entry = agency(A).names.get(name="數位發展局")
    do(platform, "cancel", A, entry=f"name-{entry.pk}", reason="誤植")
    assert agency(A).name_on(today()) == former
    page_text = platform.get(f"{HERE}{agency(A).pk}/history/").content.decode()
    assert f"機關名稱 {former} → 數位發展局" in page_text and "取消機關改名" in page_text


def test_a_security_officer_has_a_deputy_and_a_history(platform, client, account):
    officer, deputy = account_named("IC1002"), account_named("IC1003")
    do(platform, "officer", A, account=officer.pk, deputy=deputy.pk, since=day(-5))
    named = SecurityOfficer.objects.on(today()).get(agency=agency(A))
    assert [one.username for one in named.on_duty()] == ["IC1002"]
    accounts.grant_leave(officer, since=today(-1), until=None, reason="育嬰", by="x")
    assert [one.username for one in named.on_duty()] == ["IC1003"]
    accounts.assign(deputy, status="left", since=today(), by="x")
    accounts.assign(officer, status="left", since=today(), by="x")
    assert named.on_duty() == []
    assert "不是" in do(
        platform, "officer", A, account=account_named("EP1002").pk, since=day(0)
    ) or (SecurityOfficer.objects.filter(account=account_named("EP1002")).count() == 0)
    client.force_login(account("IC1001", "agency_admin"))
    client.post("/manage/officers/", {"account": account_named("IC1004").pk})
    assert named.account_id != SecurityOfficer.objects.on(today()).get(agency=agency(A)).account_id
    assert account_named("IC1002").name in page(client, A)


# 合併, 裁撤


def confirm(client, code, into="", since=None):
    typed = {"into": into and agency(into).pk, "since": since or day(0)}
    seen = do(client, "close", code, **typed)
    return seen, do(client, "close", code, **typed, sure="on")


def board(client, code, on):
    answer = client.get(f"/manage/learning-map/board/?agency={code}&on={on}")
    total = answer.context["total"]
    return total.obliged, total.green


def test_a_merger_takes_people_and_what_is_theirs_along_from_its_day(
    platform, things, learned, city
):
    person = next(one for one in city if one.username == "IC1003")
    learned(person, 3)
    past = {code: board(platform, code, day(-31)) for code in (A, B)}
    now = {code: board(platform, code, day(0)) for code in (A, B)}
    devices = Device.objects.in_use().filter(agency=agency(A)).count()
    people = Account.objects.filter(agency=agency(A), status="active").count()
    records = Record.objects.live().filter(agency=agency(A)).count()
    assert devices and records
    seen, _ = confirm(platform, A, B, day(-30))
    for words in ("在職同仁", str(people), "使用中的管制設備", "待認領時數", "學習時數紀錄"):
        assert words in seen
    assert not Account.objects.filter(agency=agency(A)).exists()
    assert {account_named("IC1003").agency.code, account_named("IC1001").role} == {B, "staff"}
    assert account_named("IC1003").department.agency.code == B
    assert {code: board(platform, code, day(-31)) for code in (A, B)} == past
    whole = tuple(map(sum, zip(now[A], now[B], strict=True)))
    assert (board(platform, A, day(0)), board(platform, B, day(0))) == ((0, 0), whole)
    assert Record.objects.live().filter(agency=agency(A)).count() == records
    assert not Device.objects.in_use().filter(agency=agency(A)).exists()
    assert not Address.objects.waiting().filter(agency=agency(A)).exists()
    city_then = platform.get(f"/manage/learning-map/city/?on={day(-31)}").content.decode()
    city_now = platform.get("/manage/learning-map/city/").content.decode()
    assert f"agency={A}" in city_then and f"agency={A}" not in city_now
    event = Event.objects.get(verb="merge_agency")
    assert (event.agency, event.detail["people"]) == (A, Account.objects.filter(agency__code=B, username__startswith="IC").count())  # fmt: skip
    assert "已併入" in page(platform, A)
    notice = account_named("IC1003").notices.latest("pk")
    assert "併入" in notice.subject


def test_a_closed_agency_takes_nobody_and_no_file(platform, account, import_bytes):
    confirm(platform, A, B)
    with pytest.raises(ActionRefused, match="併入"):
        accounts.assign(account_named("CU1002"), agency=agency(A), since=today(), by="x")
    refused = import_bytes(data(row()), agency=A)
    assert refused["state"] == "refused" and "併入" in refused["reason"]
    line = [A, agency(A).name, "", "IC9001", "方新進", "", "", "一般使用者及主管", "在職"]
    with pytest.raises(RosterRejected, match="已經合併或裁撤"):
        accounts.import_roster(f"{','.join(HEADER)}\n{','.join(line)}\n".encode(), by="x")
    choices = platform.get("/manage/accounts/add/").content.decode()
    assert f'<option value="{agency(A).pk}"' not in choices
    assert f'<option value="{agency(B).pk}"' in choices
    assert "已登記合併或裁撤" in do(
        platform, "close", A, into=agency(B).pk, since=day(0), sure="on"
    )


def test_a_merger_to_come_is_carried_out_on_its_day_or_cancelled(platform):
    confirm(platform, A, B, day(20))
    assert account_named("IC1003").agency.code == A and "當天自動生效" in page(platform, A)
    accounts.assign(account_named("IC1004"), status="left", since=today(30), by="x")
    order = Closing.objects.get()
    do(platform, "cancel", A, entry=f"closing-{order.pk}", reason="緩議")
    assert not Closing.objects.standing().exists()
    confirm(platform, A, B, day(20))
    later = today(20)
    with time_machine.travel(later):
        accounts.apply_due()
        accounts.apply_due()
    assert account_named("IC1003").agency.code == B and agency(A).closed_on == later
    assert timeline.held_on(account_named("IC1003"), today()).agency.code == A
    [*_, last] = timeline.build(account_named("IC1004"))
    assert (last.entry.agency.code, last.entry.status) == (B, "left")
    assert Event.objects.filter(verb="merge_agency").count() == 1


def test_two_accounts_with_one_number_stand_in_the_way_and_are_named(platform, account):
    here, there = account_named("IC1003"), account_named("EP1003")
    there.national_id = here.national_id
    there.save()
    seen, answer = confirm(platform, A, B)
    assert here.username in seen and here.username in answer
    assert account_named("IC1003").agency.code == A and agency(A).closed_on is None
    accounts.assign(there, status="left", since=today(), by="x")
    confirm(platform, A, B)
    assert account_named("IC1003").agency.code == B


def test_an_agency_is_dissolved_only_when_nobody_is_left(platform):
    seen, answer = confirm(platform, A)
    assert "還有" in seen and "在職" in answer and agency(A).closed_on is None
    for person in Account.objects.filter(agency=agency(A), status="active"):
        accounts.assign(person, status="left", since=today(), by="x")
    confirm(platform, A)
    assert agency(A).closed_on == today() and agency(A).merged_into is None
    assert "裁撤" in page(platform, A)


def test_who_waits_there_is_found_in_the_other_agency(platform, city, import_bytes):
    number = "F123456784"
    import_bytes(data(row(national_id=number, name="候補")), agency=A)
    assert Waiting.objects.filter(agency=agency(A), claimed_at=None).count() == 1
    confirm(platform, A, B)
    new = Account(username="EP9001", name="候補", agency=agency(B))
    new.national_id = number
    account_actions.save_account(new, by=account_named("CU1001"))
    assert unclaimed.attach_due() == 1
    assert Record.objects.get(account=new).agency == agency(A)


def test_an_entry_that_would_lead_back_into_a_closed_agency_cannot_be_cancelled(platform):
    confirm(platform, A, B)
    entry = account_named("IC1003").postings.standing().latest("since")
    with pytest.raises(ActionRefused, match="併入"):
        cancelling.cancel_service(entry, reason="誤植", by=account_named("CU1001"))


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_every_download_of_several_agencies_names_the_agency(client, things, account, kind):
    """F7: all lists of the kit, and the hours of all agencies."""
    client.force_login(account("CU1001", "platform_admin"))
    for module in modules():
        if module.is_shared or module.name in {"indicators", "advisories"}:
            continue
        answer = client.get(module.address("export"), {"format": kind})
        assert any("機關" in title for title in head_of(answer, kind)), module.name
    whole = {"format": kind, "start": "110-01-01", "end": "120-12-31"}
    head = head_of(client.get("/manage/learning-map/hours/export/", whole), kind)
    assert len(head) == 23 and head[:4] == ["公務帳號", "姓名", "機關", "學習類別"]
    one = client.get("/manage/learning-map/hours/export/", {**whole, "agency": A.lower()})
    assert len(head_of(one, kind)) == 22
    client.force_login(account("IC1001", "agency_admin"))
    assert len(head_of(client.get("/manage/learning-map/hours/export/", whole), kind)) == 22


def head_of(answer, kind):
    body = b"".join(answer.streaming_content)
    if kind == "csv":
        return next(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    sheet = openpyxl.load_workbook(io.BytesIO(body), read_only=True).active
    return [cell.value for cell in next(sheet.iter_rows(max_row=1))]


def test_the_new_agency_sees_and_handles_what_was_the_old_ones(
    platform, client, account, import_bytes, things
):
    """Records, runs, cases: those of the old agency bear its name, the new one works with them."""
    import_bytes(data(row()), agency=A)
    records = Record.objects.live().filter(agency=agency(A)).count()
    own = Record.objects.live().filter(agency=agency(B)).count()
    incident = incident_actions.open_incident(
        agency=agency(A), title="入侵", description="", answers={}, known_at=timezone.now(),
        by=account_named("IC1003"),
    )  # fmt: skip
    number = incident.number
    confirm(platform, A, B)
    other = account("EP1001", "agency_admin")
    client.force_login(other)
    whole = {"start": "100-01-01", "end": "130-12-31"}
    shown = client.get("/manage/learning-map/agency-hours/", whole)
    assert shown.context["page"].paginator.count == records + own
    file = client.get("/manage/learning-map/hours/export/", {**whole, "format": "csv"})
    lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines[0].split(",")) == 22 and len(lines) == records + own + 1
    assert ImportRun.objects.visible_to(other).filter(agency=agency(A)).exists()
    incident.refresh_from_db()
    assert incident.number == number
    page_of_it = client.get(incident.get_absolute_url())
    assert page_of_it.status_code == 200 and "代" not in page_of_it.context["own_steps"]
    assert separation.on_behalf_of(other, incident.agency, "") == {}
    assert other in incident_actions.handlers(incident.agency)
    client.force_login(account("EP1002", "staff"))
    assert client.get("/manage/learning-map/agency-hours/", whole).status_code == 403
    client.force_login(account("CU1002", "agency_admin"))
    assert client.get(incident.get_absolute_url()).status_code == 404


def test_agencies_below_follow_even_where_the_other_one_was_below(platform):
    c = Agency.objects.create(code="382990003X", name="丙科", parent=agency(A))
    b = agency(B)
    b.parent = c
    b.save()
    assert (
        "下級機關"
        in platform.post(f"{HERE}{agency(A).pk}/edit/", {"parent": b.pk}).content.decode()
    )
    confirm(platform, A, B)
    assert agency(B).parent is None and Agency.objects.get(pk=c.pk).parent == agency(B)


def test_mergers_one_after_the_other_lead_to_the_last_one(platform, account):
    c = Agency.objects.create(code="382990003X", name="丙局")
    confirm(platform, A, B, day(10))
    seen, _ = confirm(platform, B, c.code, day(5))
    assert "請先取消那一筆登記" in seen and not agency(B).closings.exists()
    do(platform, "cancel", A, entry=f"closing-{Closing.objects.get().pk}", reason="改期")
    confirm(platform, A, B)
    confirm(platform, B, c.code)
    assert agency(A).merged_into == c and "丙局" in agency(A).why_closed(today())
    assert account_named("IC1003").agency == c and set(c.with_merged()) == {
        c.pk,
        agency(A).pk,
        agency(B).pk,
    }


def test_a_merger_that_was_recorded_late_meets_whoever_came_meanwhile(platform):
    """The number is in office in the other agency since a day after the merger's."""
    here, there = account_named("IC1003"), account_named("EP1003")
    accounts.assign(there, status="left", since=today(-40), by="x")
    there.national_id = here.national_id
    Account.objects.filter(pk=there.pk).update(
        id_hash=there.id_hash, encrypted_id=there.encrypted_id
    )
    accounts.assign(account_named("EP1003"), status="active", since=today(-5), by="x")
    seen, _ = confirm(platform, A, B, day(-30))
    assert here.username in seen and agency(A).closed_on is None


def test_each_account_that_a_merger_moves_has_its_event(platform):
    confirm(platform, A, B)
    event = Event.objects.get(verb="assign", subject="account:IC1003")
    assert ["機關", Agency.objects.get(code=A).name, agency(B).name] in event.detail["changes"]
    assert not Account.objects.filter(department__agency=agency(A)).exists()
    assert not agency(A).departments.open().exists()


def test_what_was_entered_for_later_days_of_an_agency_ends_with_it(platform):
    former = agency(A).name
    do(platform, "rename", A, name="不會有的名稱", since=day(20))
    do(platform, "grade", A, grade="B", since=day(30))
    do(platform, "officer", A, account=account_named("IC1002").pk, since=day(0))
    seen, _ = confirm(platform, A, B, day(5))
    assert "之後的名稱、責任等級、資安長" in seen and "沒有要處理的" in seen
    later = today(25)
    with time_machine.travel(later):
        accounts.apply_due()
        assert agency(A).merged_into == agency(B) and agency(A).name == former
        assert not agency(A).grade_entries.standing().exists()
        with pytest.raises(ActionRefused, match="併入"):
            accounts.grade(agency(A), Grade.C, since=later, by="x")


def test_an_unknown_code_never_means_all_agencies(platform):
    asked = {"agency": "38299XXXX", "start": "100-01-01", "end": "130-12-31"}
    assert platform.get("/manage/learning-map/hours/export/", asked).status_code == 404
    assert platform.get("/manage/learning-map/hours/", asked).status_code == 404


def test_as_it_was_known_before_a_merger_was_recorded_the_agency_stands(platform):
    Posting.objects.update(recorded_at=timezone.now() - timedelta(days=90))
    confirm(platform, A, B, day(-10))
    city = "/manage/learning-map/city/"
    then = platform.get(city, {"on": day(-3), "known": day(-4)}).content.decode()
    assert f"agency={A}" in then
    assert f"agency={A}" not in platform.get(city, {"on": day(-3)}).content.decode()


def test_an_agency_that_is_no_more_is_chosen_for_nothing(platform):
    accounts.grade(agency(A), Grade.A, since=today(-60), by="x")
    group = AgencyGroup.objects.create(name="一級機關")
    group.agencies.add(agency(A))
    confirm(platform, A, B)
    graded = advisory_actions.agencies_by(group=None, grades=["A"], advisory=None)
    assert not graded.exists()
    assert list(advisory_actions.agencies_by(group=group, grades=[], advisory=None)) == [agency(B)]
    by = account_named("CU1001")
    with pytest.raises(ActionRefused, match="也已登記"):
        closing_actions.close(agency(B), into=agency(A), since=today(-1), by=by)
    with pytest.raises(ActionRefused, match="併入"):
        accounts.assign(account_named("CU1002"), agency=agency(A), since=today(-20), by="x")
    parent = platform.post(f"{HERE}{agency(B).pk}/edit/", {"parent": agency(A).pk})
    assert agency(B).parent is None and parent.status_code == 200


def test_teachers_and_courses_of_both_agencies_become_the_other_ones(platform):
    person = account_named("IC1003")
    here = Teacher.objects.create(agency=agency(A), account=person)
    there = Teacher.objects.create(agency=agency(B), account=person)
    guest = Teacher.objects.create(agency=agency(A), name="外聘講師")
    here.certificates.create(name="CISSP")
    course = Course.objects.create(
        agency=agency(A), kind="classroom", title="演練", category=523, hours=3_000
    )
    course.teachers.add(here, guest)
    confirm(platform, A, B)
    course.refresh_from_db()
    assert course.agency == agency(B) and set(course.teachers.all()) == {there, guest}
    assert there.certificates.get().name == "CISSP"
    guest.refresh_from_db()
    here.refresh_from_db()
    assert guest.agency == agency(B) and not here.is_engaged


def test_devices_and_requests_that_wait_go_over(platform, account):
    for one in (A, B):
        Device.objects.create(
            agency=agency(one), asset_no="Z-1", kind="hardware", brand="x", network="official"
        )
    here, there = account("IC1001", "agency_admin"), account("EP1001", "agency_admin")
    c = Agency.objects.create(code="382990003X", name="丙局")
    asked = {"department": None, "since": today(), "reason": "支援", "by": here}
    between = asking.ask_for(username="EP1002", name=account_named("EP1002").name, **asked)
    third = Account(username="CC1001", name="丙人", agency=c)
    account_actions.save_account(third, by=account_named("CU1001"))
    other = asking.ask_for(username="CC1001", name="丙人", **asked)
    confirm(platform, A, B)
    for one in (between, other):
        one.refresh_from_db()
    assert between.state == "withdrawn" and other.is_waiting
    assert (other.destination, other.origin) == (agency(B), c)
    numbers = Device.objects.filter(agency=agency(B), asset_no__startswith="Z-1")
    assert {one.asset_no for one in numbers} == {"Z-1", f"Z-1（{A}）"}
    moved = numbers.get(asset_no__contains=A)
    event = Event.objects.get(verb="save_device", subject=f"device:{moved.pk}")
    assert event.detail["changes"] == [["財產編號", "Z-1", moved.asset_no]]
    there.refresh_from_db()
    assert there.role == "agency_admin" and there.notices.filter(subject__contains="併入").exists()


def test_odd_orders_get_a_sentence_and_change_nothing(platform):
    here = agency(A).pk
    for typed, words in (
        ({"into": here, "since": day(0)}, "請"),
        ({"into": "999999", "since": day(0)}, "請"),
        ({"into": agency(B).pk, "since": ""}, "請"),
        ({"into": agency(B).pk, "since": "115-13-01"}, "日期"),
        ({"into": agency(B).pk, "since": day(800)}, "最晚"),
    ):
        answer = platform.post(
            f"{HERE}close/", {"ids": here, "confirmed": "1", "sure": "on", **typed}
        )
        assert answer.status_code == 200 and words in answer.content.decode(), typed
    for several in ([here, agency(B).pk], [999_999]):
        answer = platform.post(f"{HERE}close/", {"ids": several, "confirmed": "1"})
        assert answer.status_code in {302, 200, 404}
    assert not Closing.objects.exists()
    confirm(platform, A, B)
    entry = Closing.objects.get()
    late = do(platform, "cancel", A, entry=f"closing-{entry.pk}", reason="反悔")
    assert "已經生效" in late
    assert "請" in do(platform, "cancel", A, entry=f"closing-{entry.pk}", reason="")
    assert agency(A).closed_on == today() and account_named("IC1003").agency.code == B
    assert platform.get(f"{HERE}close/").status_code == 405


def test_whoever_joins_before_the_day_goes_along_on_the_day(platform):
    confirm(platform, A, B, day(3))
    line = [A, agency(A).name, "新設科", "IC9001", "方新進", "", "", "一般使用者及主管", "在職"]
    accounts.import_roster(f"{','.join(HEADER)}\n{','.join(line)}\n".encode(), by="x")
    accounts.assign(account_named("CU1002"), agency=agency(A), since=today(9), by="x")
    with time_machine.travel(today(3)):
        accounts.apply_due()
        assert (
            account_named("IC9001").agency.code == B
            and account_named("IC9001").department.name == "新設科"
        )
        assert account_named("IC9001").department.agency.code == B
        [*_, last] = timeline.build(account_named("CU1002"))
        assert last.entry.agency.code == B
    with time_machine.travel(today(9)):
        accounts.apply_due()
        assert account_named("CU1002").agency.code == B


def test_who_was_entered_while_a_merger_was_carried_out_is_brought_over(platform):
    person = account_named("CU1002")
    place = agency(A).departments.first()
    confirm(platform, A, B)
    served = Posting.objects.on(today()).get(account=person)
    Account.objects.filter(pk=person.pk).update(agency=agency(A), department=place)
    Posting.objects.filter(pk=served.pk).update(agency=agency(A), department=place)
    accounts.apply_due()
    accounts.apply_due()
    assert (
        account_named("CU1002").agency == agency(B)
        and account_named("CU1002").department.name == place.name
    )
    assert account_named("CU1002").department.agency == agency(B)
    assert timeline.held_on(person, today()).agency == agency(B)
