"""Courses, classes and lessons, and people who complete them."""

import csv
import io
from datetime import timedelta

import openpyxl
from django.utils import timezone

from ismp.courses import actions
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.classroom.actions.classes import Timing
from ismp.courses.models import (
    Category,
    Course,
    Enrollment,
    Kind,
    Material,
    Question,
    Quiz,
    Session,
    Way,
)
from ismp.courses.online.actions import learning
from ismp.hours.models import Record
from ismp.hours.records.actions import records as hours


def course(title="資通安全概論", **changes):
    facts = {"kind": Kind.ONLINE, "category": Category.BASIC, "hours": 3000, "state": "open"}
    return Course.objects.create(title=title, **(facts | changes))


def end_now(meeting):
    """The class has just ended, whatever the hour is: it lasted as long as it was planned."""
    length, now = meeting.ends_at - meeting.starts_at, timezone.now()
    meeting.starts_at, meeting.ends_at = now - length, now
    meeting.save()


def planned(by, *, quota=2, starts=timedelta(hours=1), meetings=1, agency=None, **changes):
    """An open course with one session, its meetings of two hours on following days."""
    one = course(kind=Kind.CLASSROOM, title="社交工程防護", agency=agency)
    today = timezone.localdate()
    facts = {"place": "101 教室", "opens_on": today, "closes_on": today} | changes
    session = Session(course=one, number=1, quota=quota, **facts)
    begin = timezone.now() + starts
    timings = [
        Timing(begin + timedelta(days=day), begin + timedelta(days=day, hours=2), 2000)
        for day in range(meetings)
    ]
    return classes.save_session(session, timings=timings, by=by)


def standings(session):
    return [one.standing for one in session.sign_ups.order_by("turn")]


def lesson(*, pages=1, questions=0, **changes):
    """An open course with some pages and a pool of questions whose right answer is 甲."""
    one = course(**changes)
    for number in range(pages):
        Material.objects.create(course=one, position=number, kind="page", title=f"第 {number} 章")
    if questions:
        Quiz.objects.create(course=one, drawn=min(questions, 4), pass_mark=75, attempts=2)
        Question.objects.bulk_create(
            Question(course=one, kind="single", text=f"{n}", options=["甲", "乙", "丙"], right=[0])
            for n in range(questions)
        )
    return one


def enrolled(one, person):
    return actions.enroll(one, [person], way=Way.SELF, by=person)[0]


def read_all(enrollment, person):
    for material in enrollment.course.materials.all():
        learning.finish(enrollment, material, by=person)


SCORES = "/manage/learning-map/{}-scores/"


def completed(person, **changes):
    """An online course of 1.5 hours that a person has completed."""
    one = lesson(**{"hours": 1500, "agency": person.agency} | changes)
    enrollment = enrolled(one, person)
    read_all(enrollment, person)
    return Enrollment.objects.get(pk=enrollment.pk)


def met(people, present, *, by, **changes):
    """A class of two hours that is over, and who was there."""
    facts = {"quota": 9, "agency": people[0].agency} | changes
    session = planned(people[0], starts=timedelta(days=-1), **facts)
    for one in people:
        classes.sign_up(session, one, way=Way.LIST, by=by)
    settle(session, present, by=by)
    return session


def settle(session, present, *, by):
    there = session.sign_ups.filter(account__in=present).values_list("pk", flat=True)
    for meeting in session.meetings.all():
        attendance.mark(meeting, there, by=by)
    return attendance.finish(session, by=by)


def downloaded(client, kind):
    """The rows of 成績下載 as its CSV says them; those of its workbook are the same."""
    address = SCORES.format(kind) + "export/"
    text = b"".join(client.get(address + "?format=csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    book = openpyxl.load_workbook(io.BytesIO(b"".join(client.get(address))))
    head, *cells = book.active.iter_rows(values_only=True)
    sheet = [dict(zip(head, map(written, line), strict=True)) for line in cells]
    assert sheet == rows
    return {row["公務帳號"]: row for row in rows}


def written(cell):
    return "" if cell is None else str(cell)


def deleted(person, *, by):
    records = Record.objects.live().filter(account=person)
    return hours.delete(records, reason="誤植", by=by)
