"""What happens around a class: signing up for it, being there, finishing it with hours.

Who changes who holds a place holds the session's row; the order in which people came to that lock
is the order of the waiting list.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.core import signing
from django.db import transaction
from django.db.models import Max, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.courses.learning import counts, organizer
from ismp.courses.models import (
    Attendance,
    Course,
    Meeting,
    Session,
    SessionState,
    SignUp,
    Standing,
    Way,
)
from ismp.hours.actions import credit
from ismp.hours.crediting import Credit
from ismp.notices.actions import notify
from ismp.ui.templatetags.ismp_ui import roc_moment

CODE_SECONDS = 30
"""How long a code stands on the wall of the room."""
_ACCEPTED_SECONDS = 45
"""Somebody who scanned it at its end still has to open it."""
_CONFIRMED_SECONDS = 180
_IN_THE_ROOM = "courses.room"
_AT_THE_DOOR = "courses.door"


class Timing(NamedTuple):
    """One meeting as it is planned; hours in thousandths."""

    starts_at: datetime
    ends_at: datetime
    hours: int


# --- Sessions ------------------------------------------------------------------------------------


@transaction.atomic
def save_session(session: Session, *, timings: Iterable[Timing], by: Account) -> Session:
    """Plan a session, or change it.  Raises NotPossible.

    Meetings that stay as they are keep their attendance; a greater quota lets people move up.
    """
    session.place = national_id.hide(session.place)
    if session.pk:
        before = hold(session)
        if before.state != SessionState.PLANNED:
            raise NotPossible("這一期已結訓或已取消，不能再改。")
        if session.quota < before.taken:
            raise NotPossible(f"已錄取 {before.taken} 人，名額不能少於這個人數。")
        session.taken, session.turns = before.taken, before.turns
    else:
        known = Session.objects.filter(course=session.course)
        session.number = (known.aggregate(last=Max("number"))["last"] or 0) + 1
    session.save()
    _plan(session, list(timings))
    _move_up(session)
    _record("save_session", session, by, quota=session.quota)
    return session


def _plan(session: Session, timings: list[Timing]) -> None:
    kept = {Timing(one.starts_at, one.ends_at, one.hours): one for one in session.meetings.all()}
    gone = [meeting for timing, meeting in kept.items() if timing not in timings]
    if Attendance.objects.filter(meeting__in=gone).exists():
        raise NotPossible("已經點過名的上課時段不能刪除或更改；請保留原來的時間與時數。")
    Meeting.objects.filter(pk__in=[meeting.pk for meeting in gone]).delete()
    new = [timing for timing in timings if timing not in kept]
    Meeting.objects.bulk_create(Meeting(session=session, **timing._asdict()) for timing in new)


@transaction.atomic
def cancel_sessions(sessions: QuerySet[Session], *, by: Account) -> int:
    """Call sessions off and tell everybody who signed up.  Raises NotPossible."""
    for session in hold_all(sessions):
        if session.state != SessionState.PLANNED:
            raise NotPossible(f"{session}已結訓或已取消。")
        session.state = SessionState.CANCELLED
        session.save(update_fields=["state"])
        concerned = session.sign_ups.exclude(standing__in=[Standing.CANCELLED, Standing.REFUSED])
        _tell(concerned.select_related("account"), session, "session_cancelled", "課程取消：{}")
        _record("cancel_session", session, by)
    return len(sessions)


def _record(verb: str, session: Session, by: Account, **detail: object) -> None:
    trail.record(
        verb,
        actor=by.username,
        agency=session.course.agency.code if session.course.agency else "",
        subject=subject(session),
        session=session.number,
        **detail,
    )


def subject(session: Session) -> str:
    """A session in the words of the audit trail."""
    return f"course:{session.course_id}/{session.number}"


def hold(session: Session) -> Session:
    held = Session.objects.select_for_update(of=("self",), no_key=True)
    return held.select_related("course__agency").get(pk=session.pk)


def hold_all(sessions: QuerySet[Session]) -> list[Session]:
    """All before the first event: who records holds the head of the trail and waits for nothing."""
    return [hold(session) for session in sessions.order_by("pk")]


# --- Signing up ----------------------------------------------------------------------------------


@transaction.atomic
def sign_up(session: Session, account: Account, *, way: Way = Way.SELF, by: Account) -> SignUp:
    """Sign somebody up: a place, the end of the waiting list, or a decision to wait for.

    By list somebody may be put in outside of the sign-up window and without approval.  Signing
    up twice changes nothing.  Raises NotPossible.
    """
    session = hold(session)
    _refuse_sign_up(session, account, way)
    mine = SignUp.objects.filter(session=session, account=account).first()
    if mine and mine.standing not in {Standing.CANCELLED, Standing.REFUSED}:
        return mine
    if mine and mine.standing == Standing.REFUSED and way == Way.SELF:
        raise NotPossible("這一期的報名未獲錄取；請改報其他期別，或洽開課單位。")
    mine = mine or SignUp(session=session, account=account)
    session.turns += 1
    mine.turn, mine.way, mine.signed_up_at = session.turns, way, timezone.now()
    if session.needs_approval and way == Way.SELF:
        mine.standing = Standing.APPLIED
    else:
        mine.standing = _place(session)
    mine.save()
    session.save(update_fields=["turns", "taken"])
    _tell([mine], session, "signed_up", f"{mine.get_standing_display()}：{{}}")
    _record(
        "sign_up",
        session,
        by,
        of=account.username,
        standing=mine.standing,
    )
    return mine


def _refuse_sign_up(session: Session, account: Account, way: Way) -> None:
    today = timezone.localdate()
    if session.state != SessionState.PLANNED:
        raise NotPossible("這一期已結訓或已取消，不能報名。")
    if not Course.objects.offered_to(account).filter(pk=session.course_id).exists():
        raise NotPossible("這門課程目前沒有開放給您的機關報名。")
    if way == Way.SELF and not session.opens_on <= today <= session.closes_on:
        raise NotPossible("現在不是這一期的報名期間。")


def _place(session: Session) -> Standing:
    """A place while there is one, else the end of the waiting list.

    Nobody overtakes: while people wait, a place that became free is theirs.
    """
    waiting = session.sign_ups.filter(standing=Standing.WAITING).exists()
    if session.taken < session.quota and not waiting:
        session.taken += 1
        return Standing.ENROLLED
    return Standing.WAITING


@transaction.atomic
def withdraw(mine: SignUp, *, by: Account) -> SignUp:
    """Give a place back; the first of the waiting list moves up.  Raises NotPossible."""
    session = hold(mine.session)
    mine = SignUp.objects.select_related("account").get(pk=mine.pk)
    if session.state != SessionState.PLANNED:
        raise NotPossible("這一期已結訓或已取消，不能取消報名。")
    if mine.attendances.exists():
        raise NotPossible("已經有出席紀錄，不能取消報名；請洽開課單位。")
    _leave(mine, session, Standing.CANCELLED)
    _record("withdraw", session, by, of=mine.account.username)
    return mine


@transaction.atomic
def approve(sign_ups: QuerySet[SignUp], *, comment: str = "", by: Account, **detail: object) -> int:
    """Let those in who asked, in the order in which they came; who finds no place waits.

    They are told the `comment`; `detail` goes to the event.
    """
    count = 0
    for session, asking in _open_ones(sign_ups, Standing.APPLIED):
        for one in asking:
            one.standing = _place(session)
            one.save(update_fields=["standing"])
            _tell([one], session, "signed_up", f"{one.get_standing_display()}：{{}}", comment)
        session.save(update_fields=["taken"])
        count += len(asking)
        _record("approve_sign_up", session, by, count=len(asking), **detail)
    return count


@transaction.atomic
def refuse(sign_ups: QuerySet[SignUp], *, comment: str = "", by: Account, **detail: object) -> int:
    """Turn down those who asked or wait; `comment` and `detail` as for `approve`."""
    count = 0
    for session, asking in _open_ones(sign_ups, Standing.APPLIED, Standing.WAITING):
        for one in asking:
            _leave(one, session, Standing.REFUSED)
        _tell(asking, session, "signed_up", "未錄取：{}", comment)
        count += len(asking)
        _record("refuse_sign_up", session, by, count=len(asking), **detail)
    return count


def _open_ones(
    sign_ups: QuerySet[SignUp], *standings: Standing
) -> list[tuple[Session, list[SignUp]]]:
    """The held sessions of some sign-ups, each with those of them that can be judged, in order."""
    keys = list(sign_ups.values_list("pk", flat=True))
    sessions = hold_all(Session.objects.filter(sign_ups__in=keys).distinct())
    if any(session.state != SessionState.PLANNED for session in sessions):
        raise NotPossible("這一期已結訓或已取消，不能再審核。")
    mine = SignUp.objects.filter(pk__in=keys, standing__in=standings).select_related("account")
    return [(one, list(mine.filter(session=one).order_by("turn"))) for one in sessions]


def _leave(mine: SignUp, session: Session, standing: Standing) -> None:
    held_a_place = mine.standing == Standing.ENROLLED
    mine.standing = standing
    mine.save(update_fields=["standing"])
    if held_a_place:
        session.taken -= 1
        _move_up(session)


def _move_up(session: Session) -> None:
    """Fill free places from the waiting list, in its order."""
    waiting = session.sign_ups.filter(standing=Standing.WAITING).select_related("account")
    lucky = list(waiting.order_by("turn")[: session.quota - session.taken])
    for one in lucky:
        one.standing = Standing.ENROLLED
        one.save(update_fields=["standing"])
    session.taken += len(lucky)
    session.save(update_fields=["taken"])
    _tell(lucky, session, "moved_up", "候補遞補成功：{}")


def _tell(
    sign_ups: Iterable[SignUp], session: Session, kind: str, words: str, comment: str = ""
) -> None:
    notify(
        [one.account for one in sign_ups],
        kind=kind,
        subject=words.format(f"{session}"),
        body=f"意見：{comment}" if comment else "",
        link=reverse("courses:course", args=[session.course_id]),
    )


def remind() -> int:
    """The day before, remind those who hold a place; return of how many meetings.

    Called every hour by the worker: each meeting is told of once.
    """
    tomorrow = timezone.localdate() + timedelta(days=1)
    due = Meeting.objects.filter(
        reminded_at=None, starts_at__date=tomorrow, session__state=SessionState.PLANNED
    )
    return sum(_remind(pk) for pk in due.values_list("pk", flat=True))


@transaction.atomic
def _remind(meeting_id: int) -> bool:
    due = Meeting.objects.select_for_update(of=("self",), skip_locked=True)
    meeting = due.filter(pk=meeting_id, reminded_at=None).first()
    if meeting is None:
        return False
    meeting.reminded_at = timezone.now()
    meeting.save(update_fields=["reminded_at"])
    session = meeting.session
    holding = session.sign_ups.filter(standing=Standing.ENROLLED).select_related("account")
    words = f"明天上課：{{}}，{roc_moment(meeting.starts_at)}，{session.place}"
    _tell(holding, session, "reminder", words)
    trail.record(
        "remind_class",
        actor=trail.SYSTEM,
        subject=f"course:{session.course_id}",
        count=len(holding),
    )
    return True


# --- Being there ---------------------------------------------------------------------------------


@transaction.atomic
def mark(meeting: Meeting, present: Iterable[int], *, by: Account) -> int:
    """Make the list of a meeting: those of these sign-ups who hold a place were there, no others.

    How somebody was found present before stays noted.  Returns how many were there.
    """
    session = hold(meeting.session)
    _refuse_marking(session)
    enrolled = session.sign_ups.filter(standing=Standing.ENROLLED, pk__in=list(present))
    there = set(enrolled.values_list("pk", flat=True))
    meeting.attendances.exclude(sign_up__in=there).delete()
    known = set(meeting.attendances.values_list("sign_up", flat=True))
    Attendance.objects.bulk_create(
        Attendance(meeting=meeting, sign_up_id=pk, way=Attendance.Way.LIST, by=by.username)
        for pk in sorted(there - known)
    )
    _record("mark_attendance", session, by, count=len(there))
    return len(there)


def code_of(meeting: Meeting) -> str:
    """What the code in the room says: another one each time, good for less than a minute."""
    return signing.dumps(meeting.pk, salt=_IN_THE_ROOM)


def scanned(meeting: Meeting, code: str, account: Account) -> str:
    """Who scanned the code in the room gets a ticket to confirm with; raises NotPossible."""
    try:
        of_meeting = signing.loads(code, salt=_IN_THE_ROOM, max_age=_ACCEPTED_SECONDS)
    except signing.BadSignature:
        of_meeting = None
    if of_meeting != meeting.pk:
        raise NotPossible("這個 QR Code 已經更新，請再掃描一次教室裡顯示的 QR Code。")
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
        _record("attend", session, by)
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
    changed = [one for one in enrolled if one.score != scores[one.pk]]
    for one in changed:
        one.score = scores[one.pk]
    SignUp.objects.bulk_update(changed, ["score"], batch_size=500)
    if changed:
        _record("grade_class", session, by, count=len(changed))
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
    _record("finish_session", session, by, count=len(changed))
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
