"""Who was there: marking attendance and scores, the code in the room, the hours that it gives.

Each deed holds the session's row, as `classes` does.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.models import Account
from ismp.audit.trail import NotPossible
from ismp.courses.classes import hold, record_event, refuse_own
from ismp.courses.learning import counts, organizer
from ismp.courses.models import Attendance, Meeting, Session, SessionState, SignUp, Standing
from ismp.hours.crediting import Credit, credit
from ismp.notices.actions import notify

CODE_SECONDS = 30
"""How long a code stands on the wall of the room."""
_ACCEPTED_SECONDS = 45
"""Somebody who scanned it at its end still has to open it."""
_CONFIRMED_SECONDS = 180
_IN_THE_ROOM = "courses.room"
_AT_THE_DOOR = "courses.door"


# --- Being there ---------------------------------------------------------------------------------


@transaction.atomic
def mark(meeting: Meeting, present: Iterable[int], *, by: Account) -> int:
    """Make the list of a meeting: those of these sign-ups who hold a place were there, no others.

    How somebody was found present before stays noted; so does what others noted of `by` herself.
    Returns how many were there.  Raises NotPossible.
    """
    session = hold(meeting.session)
    _refuse_marking(session)
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED, pk__in=list(present))
    known = set(meeting.attendances.values_list("sign_up", flat=True))
    refuse_own(session, _people(enrolled.exclude(pk__in=known).select_related("account")), by)
    own = session.sign_ups.filter(account__in=separation.conflicts(by))
    there = set(enrolled.values_list("pk", flat=True))
    there |= known & set(own.values_list("pk", flat=True))
    meeting.attendances.exclude(sign_up__in=there).delete()
    Attendance.objects.bulk_create(
        Attendance(meeting=meeting, sign_up_id=pk, way=Attendance.Way.LIST, by=by.username)
        for pk in sorted(there - known)
    )
    record_event("mark_attendance", session, by, count=len(there))
    return len(there)


def _people(sign_ups: Iterable[SignUp]) -> list[Account]:
    return [one.account for one in sign_ups]


def code_of(meeting: Meeting, *, shown_by: Account) -> str:
    """What the code in the room says: another one each time, good for less than a minute.

    It tells who shows it, so that nobody scans what she shows herself.
    """
    return signing.dumps([meeting.pk, shown_by.pk], salt=_IN_THE_ROOM)


def scanned(meeting: Meeting, code: str, account: Account) -> str:
    """Who scanned the code in the room gets a ticket to confirm with; raises NotPossible."""
    try:
        of_meeting, shown_by = signing.loads(code, salt=_IN_THE_ROOM, max_age=_ACCEPTED_SECONDS)
    except signing.BadSignature:
        of_meeting, shown_by = None, None
    if of_meeting != meeting.pk:
        raise NotPossible("這個 QR Code 已經更新，請再掃描一次教室裡顯示的 QR Code。")
    refuse_own(meeting.session, [account], Account.objects.get(pk=shown_by))
    return signing.dumps([meeting.pk, account.pk], salt=_AT_THE_DOOR)


@transaction.atomic
def attend(meeting: Meeting, ticket: str, *, by: Account) -> Attendance:
    """Somebody who scanned the code is there; doing it twice changes nothing.

    Raises NotPossible.
    """
    try:
        told = signing.loads(ticket, salt=_AT_THE_DOOR, max_age=_CONFIRMED_SECONDS)
    except signing.BadSignature:
        told = None
    if told != [meeting.pk, by.pk]:
        raise NotPossible("這次掃描已經過期，請再掃描一次教室裡顯示的 QR Code。")
    session = hold(meeting.session)
    _refuse_marking(session)
    if timezone.localdate(meeting.starts_at) != timezone.localdate():
        raise NotPossible("今天沒有這個上課時段，請向講師確認。")
    mine = session.sign_ups.filter(account=by, standing=Standing.ENROLLED).first()
    if mine is None:
        raise NotPossible("您沒有錄取這一期課程，請向講師確認。")
    attendance, is_new = Attendance.objects.get_or_create(
        meeting=meeting,
        sign_up=mine,
        defaults={"way": Attendance.Way.CODE, "by": by.username},
    )
    if is_new:
        record_event("attend", session, by)
    return attendance


def _refuse_marking(session: Session) -> None:
    if session.state == SessionState.CANCELLED:
        raise NotPossible("這一期已取消，不能點名。")


@transaction.atomic
def grade(session: Session, scores: dict[int, Decimal | None], *, by: Account) -> int:
    """Note scores (0–100, or None) by sign-up; return how many changed."""
    session = hold(session)
    _refuse_marking(session)
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED, pk__in=scores)
    enrolled = enrolled.select_related("account")
    changed = [one for one in enrolled if one.score != scores[one.pk]]
    refuse_own(session, _people(changed), by)
    for one in changed:
        one.score = scores[one.pk]
    SignUp.objects.bulk_update(changed, ["score"], batch_size=500)
    if changed:
        record_event("grade_class", session, by, count=len(changed))
    return len(changed)


# --- Finishing -----------------------------------------------------------------------------------


@transaction.atomic
def finish(session: Session, *, by: Account) -> int:
    """結訓: credit everybody the hours of the meetings she was at; return to how many.

    May be done again after a correction: the records follow.  Raises NotPossible.
    """
    session = hold(session)
    meetings = list(session.meetings.all())
    if session.state == SessionState.CANCELLED:
        raise NotPossible("這一期已取消，不能結訓。")
    if not meetings or max(meeting.ends_at for meeting in meetings) > timezone.now():
        raise NotPossible("最後一個上課時段還沒結束，請在課程結束後再結訓。")
    people: list[Any] = list(
        _with_hours(session).select_related("account__agency", "account__department")
    )
    changed = [one for one in people if one.hours is not None or one.attended]
    refuse_own(session, _people(changed), by)
    new = [one.account for one in changed if one.hours is None]
    for one in changed:
        one.hours, one.completed_at = one.attended, one.completed_at or timezone.now()
    SignUp.objects.bulk_update(changed, ["hours", "completed_at"], batch_size=500)
    session.state = SessionState.FINISHED
    session.save(update_fields=["state"])
    notify(
        new,
        kind="course_completed",
        subject=f"您已完成實體課程「{session}」",
        link=session.course.get_absolute_url(),
    )
    if counts(session.course) and changed:
        credit(
            [_credit(one, session, meetings) for one in changed], of=f"實體課程：{session}", by=by
        )
    record_event("finish_session", session, by, count=len(changed))
    return len(changed)


def _with_hours(session: Session) -> QuerySet[SignUp]:
    """Who holds a place, with `attended`: the hours of the meetings she was at."""
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED)
    return enrolled.annotate(attended=Sum("attendances__meeting__hours", default=0))


def _credit(mine: SignUp, session: Session, meetings: list[Meeting]) -> Credit:
    code, name = organizer(session.course)
    return Credit(
        account=mine.account,
        category=int(session.course.category),
        organizer_code=code,
        organizer_name=name,
        title=session.course.title,
        term=str(session.number),
        started_on=timezone.localdate(min(meeting.starts_at for meeting in meetings)),
        ended_on=timezone.localdate(max(meeting.ends_at for meeting in meetings)),
        classroom_hours=mine.hours or 0,
        score=mine.shown_score,
    )
