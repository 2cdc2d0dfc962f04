"""The effect of an import: the trial's prediction, the import's own report, and the truth."""

import pytest
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import given

from ismp.accounts.actions import postings as people
from ismp.accounts.models import Status
from ismp.compliance.standing import explanation, import_effect
from ismp.compliance.standing import table as standing_table
from ismp.hours.records.actions import records as record_actions
from ismp.imports.models import RunFile
from tests.support import scenarios
from tests.support.accounts import account_named
from tests.support.laws import take
from tests.support.random_histories import (
    A,
    B,
    agency,
    by_chance,
    chances,
    do,
    links,
    row,
    some_file,
    some_services,
    some_step,
)

pytestmark = pytest.mark.django_db


def behind(code):
    return set(standing_table.behind(standing_table.table(Q(agency=agency(code)))))


@by_chance
@given(chance=chances)
def test_predicted_is_what_the_import_does_and_what_the_standing_shows(cities, chance):
    code, rows = some_file(chance)
    with transaction.atomic():
        clerk = account_named("a-wang")
        people.assign(
            account_named("b-movedin"), status=Status.ACTIVE, since=scenarios.TODAY, by="x"
        )
        for username, (identities, since) in some_services(chance).items():
            people.assign(account_named(username), identities=identities, since=since, by="x")
        for _ in range(chance.randint(0, 4)):
            do(some_step(chance), clerk, {frozenset(pair) for pair in links()})
        trial = import_effect.of_run(take(scenarios.file(*rows), agency=code, dry_run=True))
        was = behind(code)
        run = take(scenarios.file(*rows), agency=code)
        done = import_effect.of_run(run)
        assert done == trial
        assert (done.before, done.after) == (was, behind(code))
        do(some_step(chance), clerk, {frozenset(pair) for pair in links()})
        assert import_effect.of_run(run) == done
        transaction.set_rollback(True)


def test_it_says_who_turned_green_and_who_red(cities):
    take(scenarios.file(row(scenarios.XU)))
    done = import_effect.of_run(
        take(scenarios.file(row(scenarios.WANG), row(scenarios.XU, hours="1")))
    )
    assert (done.done, done.fallen) == ([account_named("a-wang").pk], [account_named("a-xu").pk])
    assert len(done.before) == len(done.after) == 14


def test_a_trial_whose_rows_are_gone_predicts_no_more(cities):
    trial = take(scenarios.file(row(scenarios.WANG)), dry_run=True)
    RunFile.objects.filter(run=trial).delete()
    assert import_effect.of_run(trial) is None


# Why


def test_the_sentence_has_the_arithmetic_record_by_record(cities):
    people.assign(account_named("a-wang"), identities="it", since=scenarios.TODAY, by="x")
    take(
        scenarios.file(
            row(scenarios.WANG, hours="1", title="甲", ended_on="115-01-05"),
            row(scenarios.WANG, hours="0.5", title="乙", ended_on="115-02-01"),
            row(scenarios.WANG, hours="3", title="丙", ended_on="114-12-31"),
            row(scenarios.WANG, hours="2", title="丁", category="523", ended_on="114-12-31"),
        )
    )
    basic, professional = explanation.of_person(account_named("a-wang"))
    assert basic.sentence == (
        "115-01-01 至 115-12-31 應有資通安全(通識) 3 小時，已採計 1.5 小時"
        "（115-01-05「甲」1 小時；115-02-01「乙」0.5 小時），"
        "還差 1.5 小時，請在 115-12-31 前完成。"
        "另有 2 筆不採計（114-12-31「丙」3 小時（在 115-01-01 之前）；"
        "114-12-31「丁」2 小時（資通安全(專業、職能)不能抵資通安全(通識)））。"
    )
    assert professional.sentence.startswith(
        "114-01-01 至 115-12-31 應有資通安全(專業、職能) 3 小時"
    )
    assert professional.line.done == 2000
    assert "附表一、三、五、七" in professional.citation


def test_deleted_and_repeated_records_are_named_with_their_reason(cities):
    take(scenarios.file(row(scenarios.WANG, hours="1"), row(scenarios.WANG, title="乙", hours="1")))
    wang = account_named("a-wang")
    people.assign(wang, agency=agency(B), since=scenarios.TODAY, by="x")
    take(scenarios.file(row(scenarios.WANG, hours="1")), agency=B)
    records = standing_table.Record.objects.filter(title="乙")
    record_actions.delete(records, reason="誤植", by=wang)
    [line] = explanation.of_person(account_named("a-wang"))
    assert sorted(item.why_not for item in line.not_counted) == [
        "與已採計的是同一個課程，只採計一次",
        "這筆時數已刪除",
    ]
    assert [item.hours for item in line.counted] == [1000]


def test_the_page_says_who_is_exempt_or_done(cities):
    take(scenarios.file(row(scenarios.WANG)))
    assert explanation.of_person(account_named("a-wang"))[0].sentence.endswith("，已達標。")
    people.grant_leave(
        account_named("a-xu"), since=scenarios.TODAY, until=None, reason="育嬰", by="x"
    )
    [exempt] = explanation.of_person(account_named("a-xu"))
    assert "留職停薪（育嬰，" in exempt.sentence and "這段期間免計。" in exempt.sentence
    people.assign(account_named("a-xu"), status=Status.LEFT, since=scenarios.TODAY, by="x")
    assert explanation.of_person(account_named("a-xu")) == []


def test_a_course_that_closes_the_gap_is_offered(cities):
    from ismp.courses.models import Course, CourseState, Kind

    made = {"kind": Kind.ONLINE, "hours": 3_000, "state": CourseState.OPEN, "for_all": True}
    wanted = Course.objects.create(title="通識", category="522", **made)
    Course.objects.create(title="專業", category="523", **made)
    [line] = explanation.of_person(account_named("a-wang"))
    assert line.courses == [wanted]
    take(scenarios.file(row(scenarios.WANG)))
    assert explanation.of_person(account_named("a-wang"))[0].courses == []


@by_chance
@given(chance=chances)
def test_the_records_named_add_up_to_the_figures(cities, chance):
    with transaction.atomic():
        clerk = account_named("a-wang")
        people.assign(
            account_named("b-movedin"), status=Status.ACTIVE, since=scenarios.TODAY, by="x"
        )
        for username in ("a-wang", "a-movedin"):
            identities = chance.choice(["it", "security+general"])
            people.assign(
                account_named(username), identities=identities, since=scenarios.TODAY, by="x"
            )
        moments = []
        for _ in range(chance.randint(1, 5)):
            do(some_step(chance), clerk, {frozenset(pair) for pair in links()})
            moments.append(timezone.now())
        for username in ("a-wang", "a-movedin"):
            for known_at in (None, *moments):
                for one in explanation.of_person(account_named(username), known_at=known_at):
                    assert sum(item.hours for item in one.counted) == one.line.done
                    assert all(item.why_not for item in one.not_counted)
        transaction.set_rollback(True)


def test_what_is_asked_of_another_agency_is_not_changed(cities):
    theirs = behind(B)
    done = import_effect.of_run(take(scenarios.file(row(scenarios.WANG))))
    assert not done.before & theirs
    assert behind(A) == done.after
