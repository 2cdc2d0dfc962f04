"""The figures of a board, from standings written by hand."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ismp.compliance.dashboards import aggregates, counts
from ismp.compliance.dashboards.counts import PERSON, Counts, Part

ON = date(2026, 7, 2)
"""Half of the year is gone: day 183 of 365."""


def line(account, done, required=3_000, light=None, *, department=1, years=1, **more):
    missing = max(0, required - done)
    return {
        "account": account,
        "agency": 1,
        "department": department,
        "identities": "general",
        "category": "522",
        "years": years,
        "window_start": date(2027 - years, 1, 1),
        "window_end": date(2026, 12, 31),
        "required": required,
        "done": done,
        "missing": missing,
        "light": light or ("red" if missing else "green"),
        "note": "",
        **more,
    }


def parts(*lines):
    return aggregates.parts(pl.DataFrame(lines), ON)[1]


def test_a_person_is_as_good_as_the_worst_of_her_duties():
    counted = parts(
        line(1, 3_000, identities="it"),
        line(1, 0, identities="it", category="523", years=2),
        line(2, 3_000, identities="it"),
    )
    persons = counts.total(counted)
    assert (persons.green, persons.red, persons.missing) == (1, 1, 3_000)
    assert counts.total(counted, "522/1").green == 2
    assert counts.total(counted, "523/2").red == 1
    assert counts.duties(counted) == ["522/1", "523/2"]


def test_the_exempt_are_in_no_denominator_and_amber_is_not_yet_compliant():
    counted = parts(line(1, 3_000), line(2, 0, light="amber"), line(3, 0, light="exempt"))
    persons = counts.total(counted)
    assert (persons.obliged, persons.behind, persons.percent) == (2, 1, 50)
    assert persons.exempt == 1 and persons.on_pace == 1


def test_nobody_who_owes_has_no_share():
    assert Counts(exempt=3).percent is None


def test_a_hundred_percent_is_said_only_of_everybody():
    assert Counts(green=999, red=1).percent == 99
    assert Counts(green=1000).percent == 100


def test_the_pace_of_a_year_and_of_two():
    """By 2 July: 183 of 365 days of one year, 548 of 730 of two."""
    enough, short = 1_505, 1_504
    counted = parts(line(1, enough), line(2, short))
    assert counts.total(counted).on_pace == 1
    two = parts(line(1, 2_253, years=2), line(2, 2_252, years=2))
    assert counts.total(two, "522/2").on_pace == 1


def test_a_window_that_goes_on_next_year_is_asked_for_the_end_of_this_one():
    """Fixed pairs 115–116: by 31 December half of the window is over, and so is half of the pace."""
    pair = {"years": 2, "window_start": date(2026, 1, 1), "window_end": date(2027, 12, 31)}
    assert counts.total(parts(line(1, 1_505, **pair))).on_pace == 1
    assert counts.total(parts(line(1, 1_504, **pair))).on_pace == 0


def test_by_department_and_identity():
    counted = parts(
        line(1, 3_000), line(2, 0, department=2), line(3, 3_000, department=2, identities="it")
    )
    assert {d: c.percent for d, c in counts.grouped(counted, "department").items()} == {
        1: 100,
        2: 50,
    }
    assert counts.grouped(counted, "identities")["it"] == Counts(green=1, on_pace=1)


def test_no_people_give_no_parts():
    assert aggregates.parts(pl.DataFrame([line(1, 0)]).clear(), ON) == {}


LINES = st.lists(
    st.builds(
        line,
        st.integers(1, 9),
        st.integers(0, 4_000),
        light=st.sampled_from(["green", "amber", "red", "exempt"]),
        years=st.integers(1, 2),
        category=st.sampled_from(["522", "523"]),
    ),
    max_size=30,
    unique_by=lambda each: (each["account"], each["category"], each["window_start"]),
)


@given(LINES)
def test_counts_are_those_of_a_plain_loop(lines):
    counted = parts(*lines) if lines else []
    order = ["exempt", "green", "amber", "red"]
    worst = {}
    for each in lines:
        rank = order.index(each["light"])
        worst[each["account"]] = max(rank, worst.get(each["account"], 0))
    persons = counts.total(counted)
    for rank, light in enumerate(order):
        assert getattr(persons, light) == list(worst.values()).count(rank)
        by_duty = sum(getattr(p.counts, light) for p in counted if p.duty != PERSON)
        assert by_duty == [each["light"] for each in lines].count(light)
    assert persons.missing == sum(each["missing"] for each in lines if each["light"] != "exempt")
    assert [Part.from_json(part.as_json()) for part in counted] == counted
