"""Who was there: marking attendance and scores, the code in the room, the hours that it gives.

Each action holds the session's row, as `classes` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.courses import verbs
from ismp.courses.classroom.actions.classes import hold, refuse_own
from ismp.courses.models import (
    Attendance,
    Category,
    Completion,
    Course,
    Meeting,
    Session,
    SessionState,
    SignUp,
    Standing,
)
from ismp.courses.online.actions.learning import fix
from ismp.errors import ActionRefused
from ismp.hours.models import Record
from ismp.hours.records.actions.crediting import Credit, credit, records_of, withdraw
from ismp.notifications.actions import notify
from ismp.ui.resources import versions

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

    An earlier mark of presence stays; so does what others marked for `by`.
    Returns how many were there.  Raises ActionRefused.
    """
    session = hold(meeting.session)
    _refuse_marking(session)
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED, pk__in=list(present))
    known = set(meeting.attendances.values_list("sign_up", flat=True))
    refuse_own(session, _people(enrolled.exclude(pk__in=known).select_related("account")), by)
    own = session.sign_ups.filter(account__in=separation.conflicts(by))
    there = set(enrolled.values_list("pk", flat=True))
    there |= known & set(own.values_list("pk", flat=True))
    names = dict(session.sign_ups.values_list("pk", "account__username"))
    noted = [(names[pk], "未出席", "出席") for pk in sorted(there - known)]
    noted += [(names[pk], "出席", "未出席") for pk in sorted(known - there)]
    meeting.attendances.exclude(sign_up__in=there).delete()
    Attendance.objects.bulk_create(
        Attendance(meeting=meeting, sign_up_id=pk, way=Attendance.Way.LIST, by=by.username)
        for pk in sorted(there - known)
    )
    trail.record(verbs.MARK_ATTENDANCE, session, actor=by.username, count=len(there), changes=noted)
    return len(there)


def _people(sign_ups: Iterable[SignUp]) -> list[Account]:
    return [one.account for one in sign_ups]


def code_of(meeting: Meeting, *, shown_by: Account) -> str:
    """Return the code to show in the room: a new one each time, valid for less than a minute.

    It names who shows it, so that nobody scans a code of their own.
    """
    return signing.dumps([meeting.pk, shown_by.pk], salt=_IN_THE_ROOM)


def scanned(meeting: Meeting, code: str, account: Account) -> str:
    """Who scanned the code in the room gets a ticket to confirm with; raises ActionRefused."""
    try:
        of_meeting, shown_by = signing.loads(code, salt=_IN_THE_ROOM, max_age=_ACCEPTED_SECONDS)
    except signing.BadSignature:
        of_meeting, shown_by = None, None
    if of_meeting != meeting.pk:
        raise ActionRefused("這個 QR Code 已經更新，請再掃描一次教室裡顯示的 QR Code。")
    refuse_own(meeting.session, [account], Account.objects.get(pk=shown_by))
    return signing.dumps([meeting.pk, account.pk], salt=_AT_THE_DOOR)


@transaction.atomic
def attend(meeting: Meeting, ticket: str, *, by: Account) -> Attendance:
    """Somebody who scanned the code is there; doing it twice changes nothing.

    Raises ActionRefused.
    """
    try:
        confirmed = signing.loads(ticket, salt=_AT_THE_DOOR, max_age=_CONFIRMED_SECONDS)
    except signing.BadSignature:
        confirmed = None
    if confirmed != [meeting.pk, by.pk]:
        raise ActionRefused("這次掃描已經過期，請再掃描一次教室裡顯示的 QR Code。")
    session = hold(meeting.session)
    _refuse_marking(session)
    if timezone.localdate(meeting.starts_at) != timezone.localdate():
        raise ActionRefused("今天沒有這個上課時段，請向講師確認。")
    sign_up = session.sign_ups.filter(account=by, standing=Standing.ENROLLED).first()
    if sign_up is None:
        raise ActionRefused("您沒有錄取這一期課程，請向講師確認。")
    attendance, is_new = Attendance.objects.get_or_create(
        meeting=meeting,
        sign_up=sign_up,
        defaults={"way": Attendance.Way.CODE, "by": by.username},
    )
    if is_new:
        trail.record(verbs.ATTEND, session, actor=by.username)
    return attendance


def _refuse_marking(session: Session) -> None:
    if session.state == SessionState.CANCELLED:
        raise ActionRefused("這一期已取消，不能點名。")


@transaction.atomic
def grade(session: Session, scores: dict[int, Decimal | None], *, by: Account) -> int:
    """Note scores (0–100, or None) by sign-up; return how many changed."""
    session = hold(session)
    _refuse_marking(session)
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED, pk__in=scores)
    enrolled = enrolled.select_related("account")
    changed = [one for one in enrolled if one.score != scores[one.pk]]
    refuse_own(session, _people(changed), by)
    noted = []
    for one in changed:
        before, one.score = one.shown_score, scores[one.pk]
        noted.append((f"{one.account.username} 成績", before, one.shown_score))
    SignUp.objects.bulk_update(changed, ["score"], batch_size=500)
    if changed:
        trail.record(
            verbs.GRADE_CLASS, session, actor=by.username, count=len(changed), changes=noted
        )
    return len(changed)


# --- Finishing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settlement:
    """Result of a 結訓."""

    given: int
    """How many people have hours of it that count."""
    withdrawn: int
    """How many have none any more: corrected to absent."""
    left_deleted: int
    """How many records their agencies had deleted, and that stay deleted."""

    @property
    def in_words(self) -> str:
        words = f"已結訓：{self.given} 人取得時數。"
        if self.withdrawn:
            words += f"{self.withdrawn} 人改為沒有出席，已收回時數。"
        if self.left_deleted:
            words += f"{self.left_deleted} 筆已由機關刪除，未重新計入。"
        return words


@transaction.atomic
def finish(session: Session, *, by: Account) -> Settlement:
    """結訓: credit everybody the hours of the meetings they attended.

    May be done again after a correction: the records follow.  Who is absent now has no completion
    and no record; what an agency deleted stays deleted.  Raises ActionRefused.
    """
    # Who edits the course holds it: the records tell of one name, the old one or the new one.
    versions.hold(Course.objects.all(), [session.course_id])
    session = hold(session)
    meetings = list(session.meetings.all())
    if session.state == SessionState.CANCELLED:
        raise ActionRefused("這一期已取消，不能結訓。")
    if not meetings or max(meeting.ends_at for meeting in meetings) > timezone.now():
        raise ActionRefused("最後一個上課時段還沒結束，請在課程結束後再結訓。")
    people: list[Any] = list(
        _with_hours(session).select_related("account__agency", "account__department", "record")
    )
    present = [one for one in people if one.attended]
    absent = [one for one in people if one.hours is not None and not one.attended]
    refuse_own(session, _people([*present, *absent]), by)
    session.state = SessionState.FINISHED
    session.save(update_fields=["state"])
    words = f"實體課程：{session}"
    _lock_agencies([*present, *absent])
    _withdraw(absent, session, words, by)
    _give(present, session, meetings, words, by)
    left = _deleted_by_agencies(present)
    settled = Settlement(len(present) - left, len(absent), left)
    trail.record(
        verbs.FINISH_SESSION,
        session,
        actor=by.username,
        count=settled.given,
        withdrawn=len(absent),
        left_deleted=left,
    )
    return settled


def _with_hours(session: Session) -> QuerySet[SignUp]:
    """Sign-ups that hold a place, with `attended`: the hours of the meetings attended."""
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED)
    return enrolled.annotate(attended=Sum("attendances__meeting__hours", default=0))


def _lock_agencies(people: Iterable[SignUp]) -> None:
    """All of them before the first event: who records holds the head of the trail and waits for
    nothing."""
    concerned = {one.account.agency_id for one in people}
    concerned |= {one.record.agency_id for one in people if one.record}
    versions.hold(Agency.objects.all(), concerned)


def _withdraw(absent: list[Any], session: Session, words: str, by: Account) -> None:
    for one in absent:
        one.hours = one.completed_at = None
    SignUp.objects.bulk_update(absent, ["hours", "completed_at"], batch_size=500)
    notify(
        _people(absent),
        kind="course_completed",
        subject=f"實體課程「{session}」的出席紀錄已更正為缺席，時數不採計",
        link=session.course.get_absolute_url(),
    )
    records = Record.objects.filter(pk__in=[one.record_id for one in absent if one.record_id])
    withdraw(records, about=words, reason="重新結算：沒有出席", by=by)


def _give(
    present: list[Any], session: Session, meetings: list[Meeting], words: str, by: Account
) -> None:
    new = [one.account for one in present if one.hours is None]
    for one in present:
        one.hours, one.completed_at = one.attended, one.completed_at or timezone.now()
        fix(one, session.course)
    notify(
        new,
        kind="course_completed",
        subject=f"您已完成實體課程「{session}」",
        link=session.course.get_absolute_url(),
    )
    counting = [one for one in present if Category(one.category).counts]
    if counting:
        earned = [_credit(one, session, meetings) for one in counting]
        credit(earned, about=words, by=by)
        for one, record in zip(counting, records_of(earned), strict=True):
            one.record_id = record
    SignUp.objects.bulk_update(present, _FIXED, batch_size=500)


_FIXED = [field.name for field in Completion._meta.get_fields()]


def _deleted_by_agencies(people: list[SignUp]) -> int:
    given = Record.objects.filter(pk__in=[one.record_id for one in people if one.record_id])
    return given.deleted_by_hand().count()


def _credit(one: SignUp, session: Session, meetings: list[Meeting]) -> Credit:
    return Credit(
        account=one.account,
        category=int(one.category),
        organizer_code=one.organizer_code,
        organizer_name=one.organizer_name,
        title=one.title,
        term=str(session.number),
        started_on=timezone.localdate(min(meeting.starts_at for meeting in meetings)),
        ended_on=timezone.localdate(max(meeting.ends_at for meeting in meetings)),
        classroom_hours=one.hours or 0,
        score=one.shown_score,
        agency_id=one.record.agency_id if one.record else None,
    )
