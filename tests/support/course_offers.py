"""One course of each kind with everything in it, for the tests that walk all addresses."""

from datetime import timedelta

from django.utils import timezone

from ismp.courses import actions
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.classroom.actions.classes import Timing
from ismp.courses.models import Course, Kind, Material, Question, Quiz, Session, Way
from ismp.courses.online import files


def offered(teacher):
    """Courses of a teacher's agency, that the teacher's account takes; by address parameter."""
    person = teacher.account
    of_agency = {"agency": teacher.agency, "category": "522", "hours": 3000, "state": "open"}
    online = Course.objects.create(kind=Kind.ONLINE, title="資安入門影片", **of_agency)
    film = {"kind": "video", "media_type": "video/mp4", "size": 9}
    material = Material.objects.create(course=online, position=1, title="影片", **film)
    files.store(material, [b"123456789"])
    question = Question.objects.create(
        course=online, kind="truth", text="對嗎？", options=["是", "否"], right=[0]
    )
    Quiz.objects.create(course=online, drawn=1)
    [enrollment] = actions.enroll(online, [person], way=Way.SELF, by=person)
    room = Course.objects.create(kind=Kind.CLASSROOM, title="社交工程演練", **of_agency)
    room.teachers.add(teacher)
    today, soon = timezone.localdate(), timezone.now() + timedelta(hours=1)
    session = classes.save_session(
        Session(course=room, place="101", quota=3, opens_on=today, closes_on=today),
        timings=[Timing(soon, soon + timedelta(hours=3), 3000)],
        by=person,
    )
    sign_up = classes.sign_up(session, person, by=person)
    meeting = session.meetings.get()
    return {
        "course_id": online.pk,
        "online_courses_id": online.pk,
        "material_id": material.pk,
        "question_id": question.pk,
        "online_scores_id": enrollment.pk,
        "classroom_courses_id": room.pk,
        "session_id": session.pk,
        "sessions_id": session.pk,
        "meeting_id": meeting.pk,
        "room_code": attendance.code_of(meeting, shown_by=person),
        "sign_ups_id": sign_up.pk,
        "classroom_scores_id": sign_up.pk,
    }
