"""The training duty, case by case from the regulation, and what must hold whatever the case."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ismp.compliance.rules import arithmetic, statute
from ismp.compliance.rules.arithmetic import Credit, Duty, Light, Person, Policy, Reason, TwoYears
from ismp.ui.text import roc_dates

IDENTITIES = {"專職": "security", "資訊": "it", "一般": "general"}
LIGHTS = {"綠": Light.GREEN, "黃": Light.AMBER, "紅": Light.RED, "免": Light.EXEMPT}
DUTIES = list(statute.duties())

# 身分 等級 | 基準日 | 時數：類別@迄日=小時（*甲 是同一個學習事件，-刪 已刪除） | 另有條件 | 應得：類別/年數 已完成/應完成 燈
CASES = """
# 資安專職人員：A、B、C 級，每年 12 小時專業
專職 A | 115-12-31 | 523@115-03-01=12 | | 523/1 12/12 綠
專職 B | 115-12-31 | 523@115-03-01=12 | | 523/1 12/12 綠
專職 C | 115-12-31 | 523@115-03-01=12 | | 523/1 12/12 綠
專職 A | 115-12-31 | 523@115-03-01=11.9 | | 523/1 11.9/12 紅
專職 A | 115-12-31 | | | 523/1 0/12 紅
專職 A | 115-12-31 | 523@115-01-01=6 523@115-12-31=6 | | 523/1 12/12 綠
專職 A | 115-12-31 | 523@114-12-31=12 | | 523/1 0/12 紅
專職 A | 115-01-01 | 523@114-12-31=12 | | 523/1 0/12 紅
專職 A | 114-12-31 | 523@114-12-31=12 | | 523/1 12/12 綠
專職 A | 115-12-31 | 522@115-05-01=12 | | 523/1 0/12 紅
專職 A | 115-12-31 | 523@115-05-01=3 522@115-05-01=9 | | 523/1 3/12 紅
專職 A | 111-12-31 | 523@111-05-01=12 | | 523/1 12/12 綠
專職 A | 115-12-31 | 523@115-03-01=20 | | 523/1 20/12 綠
# 資訊人員：兩年 3 小時專業、每年 3 小時通識
資訊 A | 115-12-31 | 523@115-03-01=3 522@115-04-01=3 | | 522/1 3/3 綠, 523/2 3/3 綠
資訊 B | 115-12-31 | 523@114-03-01=3 522@115-04-01=3 | | 522/1 3/3 綠, 523/2 3/3 綠
資訊 C | 115-12-31 | 523@114-01-01=1 523@115-12-31=2 522@115-04-01=3 | | 522/1 3/3 綠, 523/2 3/3 綠
資訊 A | 115-12-31 | 523@113-12-31=3 522@115-04-01=3 | | 522/1 3/3 綠, 523/2 0/3 紅
資訊 A | 115-12-31 | 523@114-03-01=3 522@114-04-01=3 | | 522/1 0/3 紅, 523/2 3/3 綠
資訊 A | 115-12-31 | 523@115-03-01=6 | | 522/1 0/3 紅, 523/2 6/3 綠
資訊 A | 115-12-31 | 522@115-03-01=6 | | 522/1 6/3 綠, 523/2 0/3 紅
資訊 A | 115-12-31 | 522@115-03-01=1.5 522@115-03-02=1.5 523@115-03-01=0.5 | | 522/1 3/3 綠, 523/2 0.5/3 紅
資訊 A | 115-06-30 | 522@115-07-01=3 523@115-06-30=3 | | 522/1 0/3 紅, 523/2 3/3 綠
資訊 B | 111-12-31 | 523@110-12-01=3 522@111-12-31=3 | | 522/1 3/3 綠, 523/2 3/3 綠
# 115-01-07 起 D 級機關的資訊人員也一樣；之前只有一般使用者及主管的義務
資訊 D | 115-01-07 | | | 522/1 0/3 紅, 523/2 0/3 紅
資訊 D | 115-12-31 | 523@114-05-01=3 522@115-05-01=3 | | 522/1 3/3 綠, 523/2 3/3 綠
資訊 D | 115-01-06 | 522@115-01-05=3 | | 522/1 3/3 綠
資訊 D | 114-12-31 | 522@114-05-01=2 | | 522/1 2/3 紅
資訊 D | 114-12-31 | 522@114-05-01=2 | 未列者無義務 |
資訊 C | 115-01-06 | | | 522/1 0/3 紅, 523/2 0/3 紅
# 一般使用者及主管：A 到 E 級，每年 3 小時通識
一般 A | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
一般 B | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
一般 C | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
一般 D | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
一般 E | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
一般 E | 114-12-31 | 522@114-05-01=2.999 | | 522/1 2.999/3 紅
一般 A | 115-12-31 | 523@115-05-01=3 | | 522/1 0/3 紅
一般 A | 115-12-31 | 522@114-12-31=3 | | 522/1 0/3 紅
一般 A | 115-01-01 | 522@115-01-01=3 | | 522/1 3/3 綠
一般 A | 115-12-31 | 522@115-05-01=1 522@115-05-02=1 522@115-05-03=1 | | 522/1 3/3 綠
一般 A | 113-02-29 | 522@113-02-29=3 | | 522/1 3/3 綠
一般 A | 110-08-22 | 522@110-05-01=3 | |
# 等級未列的身分：視為一般使用者及主管，或無義務（平台政策）
資訊 E | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
資訊 E | 115-12-31 | 522@115-05-01=3 | 未列者無義務 |
專職 D | 115-12-31 | 523@115-05-01=12 | | 522/1 0/3 紅
專職 E | 115-12-31 | | 未列者無義務 |
# 未核定等級：只看身分
專職 - | 115-12-31 | 523@115-05-01=12 | | 523/1 12/12 綠
資訊 - | 115-12-31 | | | 522/1 0/3 紅, 523/2 0/3 紅
一般 - | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
# 多種身分：義務的聯集，同類別同期間取最嚴格者
專職+資訊 A | 115-12-31 | 523@115-05-01=12 522@115-05-01=3 | | 522/1 3/3 綠, 523/1 12/12 綠, 523/2 12/3 綠
專職+資訊 A | 115-12-31 | 523@114-05-01=12 | | 522/1 0/3 紅, 523/1 0/12 紅, 523/2 12/3 綠
專職+一般 A | 115-12-31 | 523@115-05-01=12 | | 522/1 0/3 紅, 523/1 12/12 綠
資訊+一般 B | 115-12-31 | 522@115-05-01=3 523@114-05-01=3 | | 522/1 3/3 綠, 523/2 3/3 綠
資訊+一般 E | 115-12-31 | 522@115-05-01=3 | | 522/1 3/3 綠
專職+資訊+一般 D | 115-12-31 | | | 522/1 0/3 紅, 523/2 0/3 紅
# 兩年期間：今年與前一年，或固定兩年一期（平台政策）
資訊 A | 115-03-01 | 523@114-05-01=3 | 固定兩年 | 522/1 0/3 紅, 523/2 3/3 綠
資訊 A | 114-06-30 | 523@113-05-01=3 | 固定兩年 | 522/1 0/3 紅, 523/2 0/3 紅
資訊 A | 114-06-30 | 523@113-05-01=3 | | 522/1 0/3 紅, 523/2 3/3 綠
資訊 A | 116-01-01 | 523@115-12-31=3 | 固定兩年 | 522/1 0/3 紅, 523/2 0/3 紅
資訊 A | 116-01-01 | 523@115-12-31=3 | | 522/1 0/3 紅, 523/2 3/3 綠
專職 A | 115-12-31 | 523@115-05-01=12 | 固定兩年 | 523/1 12/12 綠
# 新到職：寬限期間是黃燈，做完就是綠燈；沒有寬限就是紅燈
一般 A | 115-03-30 | | 到職115-03-01 寬限30 | 522/1 0/3 黃
一般 A | 115-03-31 | | 到職115-03-01 寬限30 | 522/1 0/3 紅
一般 A | 115-03-01 | | 到職115-03-01 | 522/1 0/3 紅
一般 A | 115-03-01 | 522@115-01-05=3 | 到職115-03-01 寬限30 | 522/1 3/3 綠
一般 A | 115-03-01 | | 寬限30 | 522/1 0/3 紅
# 留職停薪：免計，附原因；不算還差
一般 A | 115-06-30 | | 留停 | 522/1 0/3 免
專職 A | 115-12-31 | 523@115-05-01=12 | 留停 | 523/1 12/12 免
一般 A | 115-03-02 | | 留停 到職115-03-01 寬限30 | 522/1 0/3 免
# 同一個學習事件只採計一次，取時數最多的一筆；刪除的不採計
一般 A | 115-12-31 | 522@115-05-01=2*甲 522@115-05-01=2*甲 | | 522/1 2/3 紅
一般 A | 115-12-31 | 522@115-05-01=1*甲 522@115-05-01=3*甲 | | 522/1 3/3 綠
一般 A | 115-12-31 | 522@115-05-01=2*甲 522@115-05-01=2*乙 | | 522/1 4/3 綠
一般 A | 115-12-31 | 522@115-05-01=3-刪 | | 522/1 0/3 紅
一般 A | 115-12-31 | 522@115-05-01=3*甲-刪 522@115-05-01=2*甲 | | 522/1 2/3 紅
"""


def cases():
    lines = [line for line in CASES.strip().splitlines() if not line.startswith("#")]
    return [pytest.param(*map(str.strip, line.split("|")), id=line) for line in lines]


def thousandths(text):
    return round(float(text) * 1000)


def credits_of(text):
    for word in text.split():
        category, day, hours, event, deleted = re.fullmatch(
            r"(\d+)@([\d-]+\d)=([\d.]+)(\*\w)?(-刪)?", word
        ).groups()
        given = {"event": event} if event else {}
        yield Credit(
            int(category), roc_dates.parse(day), thousandths(hours), deleted=bool(deleted), **given
        )


def person_of(who, more):
    identities, grade = who.split()
    arrived = re.search(r"到職([\d-]+)", more)
    return Person(
        frozenset(IDENTITIES[name] for name in identities.split("+")),
        grade.strip("-"),
        roc_dates.parse(arrived[1]) if arrived else None,
        "育嬰留職停薪" if "留停" in more else "",
    )


def policy_of(more):
    grace = re.search(r"寬限(\d+)", more)
    return Policy(
        TwoYears.PAIRS if "固定兩年" in more else TwoYears.ROLLING,
        int(grace[1]) if grace else 0,
        unlisted_as_general="未列者無義務" not in more,
    )


def expected(text):
    for word in filter(None, text.split(", ")):
        category, years, done, required, light = re.fullmatch(
            r"(\d+)/(\d) ([\d.]+)/(\d+) (.)", word
        ).groups()
        yield int(category), int(years), thousandths(done), int(required) * 1000, LIGHTS[light]


def test_there_are_at_least_sixty_cases():
    assert len(cases()) >= 60


@pytest.mark.parametrize(("who", "on", "records", "more", "verdicts"), cases())
def test_the_regulation(who, on, records, more, verdicts):
    person, given = person_of(who, more), list(credits_of(records))
    found = arithmetic.judge(person, given, DUTIES, policy_of(more), roc_dates.parse(on))
    reported = [
        (*one.duty.categories, one.duty.years, one.done, one.required, one.light) for one in found
    ]
    assert reported == list(expected(verdicts))
    for one in found:
        assert one.missing == (0 if person.leave else max(0, one.required - one.done))
        assert len(one.counted) + len(one.not_counted) == len(given)


def test_each_hour_not_counted_has_its_reason():
    given = list(
        credits_of(
            "522@115-05-01=3-刪 523@115-05-01=3 522@114-12-31=3 522@115-07-01=3 522@115-05-01=1*甲 522@115-05-01=2*甲"
        )
    )
    [one] = arithmetic.judge(person_of("一般 A", ""), given, DUTIES, Policy(), date(2026, 6, 30))
    assert one.counted == (given[5],)
    assert [reason for _, reason in one.not_counted] == [
        Reason.DELETED,
        Reason.CATEGORY,
        Reason.BEFORE,
        Reason.AFTER,
        Reason.SAME_EVENT,
    ]


def test_the_strictest_rule_counts_when_two_ask_for_the_same():
    stricter = Duty("general", frozenset("A"), frozenset({522}), 6_000, 1, since=date(2026, 1, 1))
    for duties in ([*DUTIES, stricter], [stricter, *DUTIES]):
        [one] = arithmetic.owed(["general"], "A", duties, Policy(), date(2026, 2, 1))
        assert one.hours == 6_000


def test_a_rule_may_accept_several_categories():
    either = Duty(
        "general", frozenset("A"), frozenset({522, 523}), 3_000, 1, since=date(2026, 1, 1)
    )
    given = list(credits_of("522@115-05-01=1 523@115-05-01=2"))
    [one] = arithmetic.judge(person_of("一般 A", ""), given, [either], Policy(), date(2026, 12, 31))
    assert (one.done, one.light) == (3_000, Light.GREEN)


# What must hold whatever the case

days = st.dates(date(2022, 1, 1), date(2028, 12, 31))
policies = st.builds(Policy, st.sampled_from(TwoYears), st.integers(0, 90), st.booleans())
people = st.builds(
    Person,
    st.sets(st.sampled_from(sorted(IDENTITIES.values())), min_size=1).map(frozenset),
    st.sampled_from(["", *"ABCDE"]),
    st.none() | days,
    st.sampled_from(["", "", "", "留職停薪"]),
)
credits_given = st.lists(
    st.builds(
        Credit,
        st.sampled_from([522, 523]),
        days,
        st.integers(0, 13_000),
        st.integers(1, 6),
        st.booleans(),
    ),
    max_size=12,
)
REDDER = [Light.GREEN, Light.AMBER, Light.RED]


def announced(verdicts):
    return [(one.duty, one.done, one.missing, one.light) for one in verdicts]


@given(people, credits_given, policies, days, st.randoms())
def test_the_order_of_records_never_matters(person, given, policy, on, chance):
    before = arithmetic.judge(person, given, DUTIES, policy, on)
    shuffled, duties = chance.sample(given, len(given)), chance.sample(DUTIES, len(DUTIES))
    assert announced(arithmetic.judge(person, shuffled, duties, policy, on)) == announced(before)


@given(people, credits_given, credits_given, policies, days)
def test_more_hours_never_make_anyone_redder(person, given, more, policy, on):
    before = arithmetic.judge(person, given, DUTIES, policy, on)
    after = arithmetic.judge(person, given + more, DUTIES, policy, on)
    for less, more_done in zip(before, after, strict=True):
        assert more_done.done >= less.done
        assert more_done.missing <= less.missing
        if Light.EXEMPT not in {less.light, more_done.light}:
            assert REDDER.index(more_done.light) <= REDDER.index(less.light)


@given(policies, days)
def test_windows_tile_without_gaps(policy, on):
    for years in (1, 2):
        here = arithmetic.window(years, policy, on)
        assert on in here
        assert (here.start.month, here.start.day) == (1, 1)
        assert here.end.year - here.start.year == years - 1
        following = arithmetic.window(years, policy, here.end + timedelta(days=1))
        rolls = years == 2 and policy.two_years is TwoYears.ROLLING
        last_year = date(here.end.year, 1, 1)
        assert following.start == (last_year if rolls else here.end + timedelta(days=1))


@given(people, policies, days)
def test_each_days_rules_are_those_of_their_time(person, policy, on):
    for duty in arithmetic.owed(person.identities, person.grade, DUTIES, policy, on):
        assert duty.since <= on <= (duty.until or on)
        assert not person.grade or person.grade in duty.grades
