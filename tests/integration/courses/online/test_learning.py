"""Online courses: materials, quizzes, and hours that come once, whatever dies on the way."""

import signal

import pytest

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.courses import actions
from ismp.courses.models import Attempt, Course, Enrollment, Material, Progress, Question, Quiz, Way
from ismp.courses.online import files
from ismp.courses.online.actions import learning
from ismp.errors import ActionRefused
from ismp.hours.models import PersonYear, Record
from ismp.imports.models import ImportRun
from ismp.notifications.models import Notice
from ismp.storage import encrypted_files
from tests.support.courses import course, enrolled, lesson, read_all
from tests.support.installations import Place


@pytest.fixture
def place(tmp_path, town, django_db_blocker):
    """An installation of processes."""
    place = Place(tmp_path / "home", like=town)
    with django_db_blocker.unblock():
        yield place
    place.close()


def right(attempt):
    return [question["right"] for question in attempt.paper]


@pytest.mark.django_db
def test_reading_everything_gives_the_hours_once(person):
    one = lesson(pages=3, hours=2500, agency=person.agency)
    own = enrolled(one, person)
    for material in one.materials.all():
        assert not Record.objects.exists()
        learning.finish(own, material, by=person)
    learning.finish(own, material, by=person)
    record = Record.objects.get()
    assert (record.account, record.hours, record.digital_hours) == (person, 2500, 2500)
    assert (record.title, record.organizer_code) == (one.title, person.agency.code)
    own.refresh_from_db()
    assert own.completed_at
    assert Notice.objects.filter(account=person, kind="course_completed").count() == 1
    assert [e.verb for e in Event.objects.all()[:3]] == [
        "complete_course",
        "credit_hours",
        "enroll",
    ]
    assert not list(trail.faults())


@pytest.mark.django_db
def test_a_course_of_another_category_is_completed_without_a_record(person):
    own = enrolled(lesson(category="system"), person)
    read_all(own, person)
    assert Enrollment.objects.get().completed_at
    assert not Record.objects.exists()


@pytest.mark.django_db
def test_the_quiz_is_drawn_from_the_pool_and_keeps_its_paper(person):
    one = lesson(questions=40)
    own = enrolled(one, person)
    read_all(own, person)
    assert learning.left_to_do(own) == ["測驗"]
    attempt = learning.begin_attempt(own, by=person)
    assert len(attempt.paper) == 4
    assert learning.begin_attempt(own, by=person) == attempt
    papers = {str([question["text"] for question in attempt.paper])}
    Question.objects.update(text="改過的題目")
    attempt.refresh_from_db()
    assert "改過的題目" not in str(attempt.paper)
    wrong = [[] for _ in attempt.paper]
    assert not learning.submit(attempt, wrong, by=person).passed
    second = learning.begin_attempt(own, by=person)
    papers.add(str([question["text"] for question in second.paper]))
    assert len(papers) == 2
    handed_in = learning.submit(second, right(second), by=person)
    assert (handed_in.score, handed_in.passed) == (100, True)
    assert learning.submit(second, wrong, by=person).score == 100
    assert Record.objects.get().score == "100"


@pytest.mark.django_db
def test_attempts_run_out_and_nothing_is_given(person):
    own = enrolled(lesson(questions=4), person)
    for _ in range(2):
        attempt = learning.begin_attempt(own, by=person)
        learning.submit(
            attempt,
            [[1 - chosen[0] if chosen[0] < 2 else 0] for chosen in right(attempt)],
            by=person,
        )
    with pytest.raises(ActionRefused, match="機會已用完"):
        learning.begin_attempt(own, by=person)
    assert not Record.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "answer", "chosen", "counts"),
    [
        ("single", [1], [1], True),
        ("single", [1], [0], False),
        ("single", [1], [0, 1], False),
        ("multiple", [0, 2], [2, 0], True),
        ("multiple", [0, 2], [0], False),
        ("multiple", [0, 2], [0, 1, 2], False),
        ("truth", [0], [0], True),
        ("truth", [0], [], False),
    ],
)
def test_a_question_counts_when_exactly_its_right_options_are_chosen(
    person, kind, answer, chosen, counts
):
    own = enrolled(lesson(questions=1), person)
    paper = [{"kind": kind, "text": "？", "options": ["甲", "乙", "丙"], "right": answer}]
    attempt = Attempt.objects.create(enrollment=own, number=1, paper=paper)
    assert learning.submit(attempt, [chosen], by=person).passed is counts


@pytest.mark.django_db
def test_who_may_come_in_and_how_often(person, account):
    one = lesson(agency=person.agency)
    stranger = account("EP1001")
    with pytest.raises(ActionRefused, match="沒有開放給"):
        actions.enroll(one, [stranger], way=Way.LIST, by=person)
    own = enrolled(one, person)
    assert actions.enroll(one, [person], way=Way.LIST, by=person) == []
    read_all(own, person)
    assert actions.enroll(one, [person], way=Way.SELF, by=person) == []
    own.refresh_from_db()
    last_year = own.completed_at.replace(year=own.completed_at.year - 1)
    Enrollment.objects.update(completed_at=last_year)
    assert len(actions.enroll(one, [person], way=Way.DUTY, by=person)) == 1
    assert Notice.objects.filter(kind="course_assigned").count() == 1
    Course.objects.update(state="closed")
    with pytest.raises(ActionRefused, match="沒有開放"):
        actions.enroll(one, [account("IC1002")], way=Way.SELF, by=person)


@pytest.mark.django_db
def test_what_records_tell_of_a_course_stays(person):
    one = lesson(agency=person.agency)
    read_all(enrolled(one, person), person)
    one.title = "別的名稱"
    with pytest.raises(ActionRefused, match="不能再改"):
        actions.save_course(one, by=person)
    one.refresh_from_db()
    one.description = "新的說明"
    actions.save_course(one, by=person)


@pytest.mark.django_db
def test_progress_is_kept(person):
    one = lesson()
    own = enrolled(one, person)
    learning.bookmark(own, one.materials.get(), 95)
    learning.bookmark(own, one.materials.get(), 120)
    assert Progress.objects.get().second == 120


@pytest.mark.django_db
def test_any_range_of_a_file_is_read_by_itself(settings, monkeypatch):
    monkeypatch.setattr(encrypted_files, "PIECE_BYTES", 10)
    material = Material.objects.create(course=course(), position=0, kind="video", title="影片")
    content = bytes(range(95))
    files.store(material, [content[:33], content[33:34], content[34:]])
    assert material.pieces.count() == 10
    for first, last in [(0, 94), (0, 0), (9, 10), (33, 58), (90, 94), (40, 49)]:
        assert b"".join(files.read(material, first, last)) == content[first : last + 1]
    assert content[:10] not in bytes(material.pieces.first().data)
    files.store(material, [b"new"])
    assert b"".join(files.read(material, 0, 2)) == b"new"


SUBMIT = """
import django; django.setup()
import os, signal
from django.db import transaction
from ismp.audit import trail
from ismp.courses.online.actions import learning
from ismp.courses.models import Attempt
at, record = {at!r}, trail.record
def record_or_die(verb, *thing, **announced):
    if verb.name == at: os.kill(os.getpid(), signal.SIGKILL)
    event = record(verb, *thing, **announced)
    if verb.name + " written" == at: os.kill(os.getpid(), signal.SIGKILL)
    return event
trail.record = record_or_die
attempt = Attempt.objects.get()
learning.submit(attempt, [[0]], by=attempt.enrollment.account)
if at == "done": os.kill(os.getpid(), signal.SIGKILL)
"""


def before_the_quiz(place):
    """All is done but to hand in the one quiz."""
    with place.entered():
        person = Account.objects.get(username="IC1001")
        one = lesson(hours=3000)
        Quiz.objects.create(course=one, drawn=1, pass_mark=60, attempts=1)
        truth = {"kind": "truth", "text": "?", "options": ["是", "否"], "right": [0]}
        Question.objects.create(course=one, **truth)
        own = enrolled(one, person)
        read_all(own, person)
        learning.begin_attempt(own, by=person)


def state_of(place):
    """Records, runs, their hours, completions, notices, events, faults of the trail."""
    reported = ["credit_hours", "complete_course", "submit_quiz"]
    with place.entered():
        return [
            Record.objects.live().count(),
            ImportRun.objects.count(),
            sum(PersonYear.objects.values_list("hours", flat=True)),
            Enrollment.objects.exclude(completed_at=None).count(),
            Notice.objects.count(),
            Event.objects.filter(verb__in=reported).count(),
            len(list(trail.faults())),
        ]


@pytest.mark.parametrize(
    "at", ["credit_hours", "credit_hours written", "complete_course", "submit_quiz written", "done"]
)
def test_killed_while_completing_the_hours_come_exactly_once(place, at):
    before_the_quiz(place)
    killed = place.python("-c", SUBMIT.format(at=at))
    assert killed.returncode == -signal.SIGKILL
    nothing, everything = [0, 0, 0, 0, 0, 0, 0], [1, 1, 3000, 1, 1, 3, 0]
    assert state_of(place) == (everything if at == "done" else nothing)
    for _ in range(2):
        place.script(SUBMIT.format(at=""))
        assert state_of(place) == everything
