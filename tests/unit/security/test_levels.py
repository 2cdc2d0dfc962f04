"""The level questions and the clocks of the regulation, each a row of a table."""

from datetime import UTC, datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from ismp.security.incidents import levels
from ismp.security.incidents.levels import Answer, Aspect, Harm, Level, Moment, Step, Subject

C, I, A = Aspect.CONFIDENTIALITY, Aspect.INTEGRITY, Aspect.AVAILABILITY  # noqa: E741
SLIGHT, SERIOUS = Harm.SLIGHT, Harm.SERIOUS

# aspect, what was hit, how badly → level
QUESTIONS = [
    (C, Subject.NON_CORE, SLIGHT, 1),
    (C, Subject.NON_CORE, SERIOUS, 2),
    (C, Subject.CORE, SLIGHT, 2),
    (C, Subject.CORE, SERIOUS, 3),
    (C, Subject.CRITICAL, SLIGHT, 3),
    (C, Subject.CRITICAL, SERIOUS, 4),
    (C, Subject.OFFICIAL_SECRET, SLIGHT, 3),
    (C, Subject.OFFICIAL_SECRET, SERIOUS, 4),
    (C, Subject.STATE_SECRET, SLIGHT, 4),
    (C, Subject.STATE_SECRET, SERIOUS, 4),
    (I, Subject.NON_CORE, SLIGHT, 1),
    (I, Subject.NON_CORE, SERIOUS, 2),
    (I, Subject.CORE, SLIGHT, 2),
    (I, Subject.CORE, SERIOUS, 3),
    (I, Subject.CRITICAL, SLIGHT, 3),
    (I, Subject.CRITICAL, SERIOUS, 4),
    (I, Subject.OFFICIAL_SECRET, SLIGHT, 3),
    (I, Subject.OFFICIAL_SECRET, SERIOUS, 4),
    (I, Subject.STATE_SECRET, SLIGHT, 4),
    (A, Subject.NON_CORE, SLIGHT, 1),
    (A, Subject.NON_CORE, SERIOUS, 2),
    (A, Subject.CORE, SLIGHT, 2),
    (A, Subject.CORE, SERIOUS, 3),
    (A, Subject.CRITICAL, SLIGHT, 3),
    (A, Subject.CRITICAL, SERIOUS, 4),
]


@pytest.mark.parametrize(("aspect", "subject", "harm", "expected"), QUESTIONS)
def test_each_answer_has_its_level(aspect, subject, harm, expected):
    assert levels.level({aspect: Answer(subject, harm)}) == expected


def test_the_worst_aspect_decides():
    answers = [Answer(subject, harm) for subject, harm in product(Subject, Harm)]
    for first, second in product(answers, answers):
        alone = [levels.level({C: first}), levels.level({A: second})]
        expected = max((one for one in alone if one), default=None)
        assert levels.level({C: first, A: second}) == expected


def test_where_nothing_was_hit_there_is_nothing_to_report():
    assert levels.level(dict.fromkeys(Aspect, Answer(Subject.NONE, SERIOUS))) is None


def test_availability_is_not_asked_of_secrets():
    assert Subject.STATE_SECRET in levels.subjects_of(C)
    assert not {Subject.STATE_SECRET, Subject.OFFICIAL_SECRET} & set(levels.subjects_of(A))


def at(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo("Asia/Taipei"))


MOMENTS = {
    Moment.KNOWN: at("2026-01-30 09:00"),
    Moment.REPORTED: at("2026-01-30 09:40"),
    Moment.REVIEWED: at("2026-01-30 11:00"),
    Moment.RECOVERED: at("2026-01-31 10:00"),
}
# level, step → until when
CLOCKS = [
    (1, Step.REPORT, "2026-01-30 10:00"),
    (4, Step.REPORT, "2026-01-30 10:00"),
    (1, Step.REVIEW, "2026-01-30 17:40"),
    (2, Step.REVIEW, "2026-01-30 17:40"),
    (3, Step.REVIEW, "2026-01-30 11:40"),
    (4, Step.REVIEW, "2026-01-30 11:40"),
    (1, Step.FORWARD, "2026-01-30 12:00"),
    (4, Step.FORWARD, "2026-01-30 12:00"),
    (1, Step.CONTROL, "2026-02-02 09:00"),
    (2, Step.CONTROL, "2026-02-02 09:00"),
    (3, Step.CONTROL, "2026-01-31 21:00"),
    (4, Step.CONTROL, "2026-01-31 21:00"),
    (1, Step.FINAL_REPORT, "2026-02-28 10:00"),  # a month with no 31st ends on its last day
    (4, Step.FINAL_REPORT, "2026-02-28 10:00"),
]


@pytest.mark.parametrize(("level", "step", "expected"), CLOCKS)
def test_each_step_has_its_limit(level, step, expected):
    [limit] = [one for one in levels.limits(Level(level), MOMENTS) if one.step is step]
    assert limit.at == at(expected)
    assert "第" in limit.citation and "條" in limit.citation


def test_a_clock_that_does_not_run_yet_has_no_limit():
    found = levels.limits(Level.TWO, {Moment.KNOWN: MOMENTS[Moment.KNOWN]})
    assert {limit.step for limit in found} == set(Step)
    assert {limit.step for limit in found if limit.at} == {Step.REPORT, Step.CONTROL}


def test_an_incident_is_judged_by_the_law_of_its_day():
    before = {Moment.KNOWN: datetime(2018, 12, 31, tzinfo=UTC)}
    assert levels.limits(Level.ONE, before) == []
