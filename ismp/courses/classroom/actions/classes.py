"""Who gets a place in a class: planning its sessions, signing up, moving up, being reminded.

Who changes who holds a place holds the session's row; the order in which people came to that lock
is the order of the waiting list.  Who was there, and what it gave, is `attendance`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.consequences import Served
from ismp.accounts.models import Account, Status
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.courses import verbs
from ismp.courses.models import (
    HOLDING,
    Attendance,
    Course,
    Meeting,
    Session,
    SessionState,
    SignUp,
    Standing,
    Way,
)
from ismp.errors import ActionRefused
from ismp.hours.models import in_hours
from ismp.notifications.actions import notify
from ismp.ui.resources import versions
from ismp.ui.templatetags.ismp_ui import roc_moment


class Timing(NamedTuple):
    """One meeting as it is planned; hours in thousandths."""

    starts_at: datetime
    ends_at: datetime
    hours: int


# --- Sessions ------------------------------------------------------------------------------------


@transaction.atomic
def save_session(session: Session, *, timings: Iterable[Timing], by: Account) -> Session:
    """Plan a session, or change it.  Raises ActionRefused.

    Meetings that stay as they are keep their attendance; a greater quota lets people move up.
    """
    session.place = national_id.hide(session.place)
    before, planned = None, ""
    if session.pk:
        before = hold(session)
        planned = _in_words(before)
        if before.state != SessionState.PLANNED:
            raise ActionRefused("這一期已結訓或已取消，不能再改。")
        if session.quota < before.taken:
            raise ActionRefused(f"已錄取 {before.taken} 人，名額不能少於這個人數。")
        session.taken, session.turns = before.taken, before.turns
    else:
        versions.hold(Course.objects.all(), [session.course_id])  # its sessions have numbers
        known = Session.objects.filter(course=session.course)
        session.number = (known.aggregate(last=Max("number"))["last"] or 0) + 1
    changes.store(session, before)
    _plan(session, list(timings))
    changed = changes.between(before, session, "taken", "turns")
    if before and planned != _in_words(session):
        changed.append(("上課時段", planned, _in_words(session)))
    _move_up(session)
    trail.record(
        verbs.SAVE_SESSION, session, actor=by.username, quota=session.quota, changes=changed
    )
    return session


def _in_words(session: Session) -> str:
    """The meetings of a session, as 異動紀錄 shows them."""
    return "、".join(
        f"{roc_moment(one.starts_at)}–{timezone.localtime(one.ends_at):%H:%M}"
        f"（{in_hours(one.hours)} 小時）"
        for one in Meeting.objects.filter(session=session)
    )


def _plan(session: Session, timings: list[Timing]) -> None:
    kept = {Timing(one.starts_at, one.ends_at, one.hours): one for one in session.meetings.all()}
    gone = [meeting for timing, meeting in kept.items() if timing not in timings]
    if Attendance.objects.filter(meeting__in=gone).exists():
        raise ActionRefused("已經點過名的上課時段不能刪除或更改；請保留原來的時間與時數。")
    Meeting.objects.filter(pk__in=[meeting.pk for meeting in gone]).delete()
    new = [timing for timing in timings if timing not in kept]
    Meeting.objects.bulk_create(Meeting(session=session, **timing._asdict()) for timing in new)


@transaction.atomic
def cancel_sessions(sessions: QuerySet[Session], *, by: Account) -> int:
    """Call sessions off and tell everybody who signed up.  Raises ActionRefused."""
    for session in hold_all(sessions):
        if session.state != SessionState.PLANNED:
            raise ActionRefused(f"{session}已結訓或已取消。")
        session.state = SessionState.CANCELLED
        session.save(update_fields=["state"])
        concerned = session.sign_ups.exclude(standing__in=[Standing.CANCELLED, Standing.REFUSED])
        _tell(concerned.select_related("account"), session, "session_cancelled", "課程取消：{}")
        trail.record(verbs.CANCEL_SESSION, session, actor=by.username)
    return len(sessions)


def refuse_own(session: Session, people: Iterable[Account], by: Account) -> None:
    """Raise ActionRefused when `by` may not decide about any of these people's places or hours."""
    agency = session.course.agency
    separation.refuse_own(by, people, right=Right.MANAGE_COURSES, agency=agency)


def hold(session: Session) -> Session:
    held = Session.objects.select_for_update(of=("self",), no_key=True)
    return held.select_related("course__agency").get(pk=session.pk)


def hold_all(sessions: QuerySet[Session]) -> list[Session]:
    """All before the first event: who records holds the head of the trail and waits for nothing."""
    return [hold(session) for session in sessions.order_by("pk")]


def hold_of(sign_ups: list[int]) -> None:
    """Hold the sessions of sign-ups (by their keys), before the sign-ups: who withdraws has the
    session and waits for a sign-up."""
    hold_all(Session.objects.filter(sign_ups__in=sign_ups).distinct())


# --- Signing up ----------------------------------------------------------------------------------


@transaction.atomic
def sign_up(session: Session, account: Account, *, way: Way = Way.SELF, by: Account) -> SignUp:
    """Sign somebody up: a place, the end of the waiting list, or a decision to wait for.

    By list somebody may be put in outside of the sign-up window, after the beginning and without
    approval.  Signing up twice changes nothing.  Raises ActionRefused.
    """
    session = hold(session)
    _refuse_sign_up(session, account, way)
    entry = SignUp.objects.filter(session=session, account=account).first()
    # Nobody moves up any more once the class has begun: who waits is let in by list.
    let_in = entry and entry.standing == Standing.WAITING and way == Way.LIST and session.has_begun
    if entry and entry.standing in HOLDING and not let_in:
        return entry
    if entry and entry.standing == Standing.REFUSED and way == Way.SELF:
        raise ActionRefused("這一期的報名未獲錄取；請改報其他期別，或洽開課單位。")
    if way == Way.LIST:
        refuse_own(session, [account], by)
    entry = entry or SignUp(session=session, account=account)
    session.turns += 1
    entry.turn, entry.way, entry.signed_up_at = session.turns, way, timezone.now()
    if session.needs_approval and way == Way.SELF:
        entry.standing = Standing.APPLIED
    else:
        entry.standing = _place(session)
    own = ["turn", "way", "signed_up_at", "standing"]
    entry.save(force_insert=entry.pk is None, update_fields=own if entry.pk else None)
    session.save(update_fields=["turns", "taken"])
    _tell([entry], session, "signed_up", f"{entry.get_standing_display()}：{{}}")
    trail.record(
        verbs.SIGN_UP, session, actor=by.username, of=account.username, standing=entry.standing
    )
    return entry


def _refuse_sign_up(session: Session, account: Account, way: Way) -> None:
    today = timezone.localdate()
    if session.state != SessionState.PLANNED:
        raise ActionRefused("這一期已結訓或已取消，不能報名。")
    if account.status != Status.ACTIVE:
        raise ActionRefused(f"公務帳號 {account.username} 已離職，不能報名。")
    if way == Way.SELF and session.has_begun:
        raise ActionRefused("這一期已經開始上課，不能再報名；請改報其他期別，或洽開課單位。")
    if not Course.objects.offered_to(account).filter(pk=session.course_id).exists():
        raise ActionRefused("這門課程目前沒有開放給您的機關報名。")
    if way == Way.SELF and not session.opens_on <= today <= session.closes_on:
        raise ActionRefused("現在不是這一期的報名期間。")


def _place(session: Session) -> Standing:
    """A place while there is one, else the end of the waiting list.

    Nobody overtakes: while people wait, a place that became free is theirs, until the class begins.
    """
    waits = session.sign_ups.filter(standing=Standing.WAITING)
    waiting = not session.has_begun and waits.exists()
    if session.taken < session.quota and not waiting:
        session.taken += 1
        return Standing.ENROLLED
    return Standing.WAITING


@transaction.atomic
def withdraw(sign_up: SignUp, *, by: Account) -> SignUp:
    """Give a place back; until the class begins, the first of the waiting list moves up.

    After that only somebody else may correct who holds a place.  Raises ActionRefused.
    """
    session = hold(sign_up.session)
    sign_up = SignUp.objects.select_related("account").get(pk=sign_up.pk)
    if sign_up.standing == Standing.CANCELLED:
        raise ActionRefused("這筆報名已經取消，不必再取消。")
    if session.has_begun and by.pk == sign_up.account_id:
        raise ActionRefused("課程已經開始，不能取消報名；請洽開課單位。")
    if session.state != SessionState.PLANNED:
        raise ActionRefused("這一期已結訓或已取消，不能取消報名。")
    if sign_up.attendances.exists():
        raise ActionRefused("已經有出席紀錄，不能取消報名；請洽開課單位。")
    _leave(sign_up, session, Standing.CANCELLED)
    trail.record(verbs.WITHDRAW, session, actor=by.username, of=sign_up.account.username)
    return sign_up


@transaction.atomic
def approve(sign_ups: QuerySet[SignUp], *, comment: str = "", by: Account, **detail: Any) -> int:
    """Let those in who asked, in the order in which they came; who finds no place waits.

    They are told the `comment`; `detail` goes to the event.
    """
    count = 0
    for session, asking in _open_ones(sign_ups, Standing.APPLIED):
        refuse_own(session, [one.account for one in asking], by)
        for one in asking:
            one.standing = _place(session)
            one.save(update_fields=["standing"])
            _tell([one], session, "signed_up", f"{one.get_standing_display()}：{{}}", comment)
        session.save(update_fields=["taken"])
        count += len(asking)
        trail.record(verbs.APPROVE_SIGN_UP, session, actor=by.username, count=len(asking), **detail)
    return count


@transaction.atomic
def refuse(sign_ups: QuerySet[SignUp], *, comment: str = "", by: Account, **detail: Any) -> int:
    """Turn down those who asked or wait; `comment` and `detail` as for `approve`."""
    count = 0
    for session, asking in _open_ones(sign_ups, Standing.APPLIED, Standing.WAITING):
        refuse_own(session, [one.account for one in asking], by)
        for one in asking:
            _leave(one, session, Standing.REFUSED)
        _tell(asking, session, "signed_up", "未錄取：{}", comment)
        count += len(asking)
        trail.record(verbs.REFUSE_SIGN_UP, session, actor=by.username, count=len(asking), **detail)
    return count


def _open_ones(
    sign_ups: QuerySet[SignUp], *standings: Standing
) -> list[tuple[Session, list[SignUp]]]:
    """The held sessions of some sign-ups, each with those of them that can be judged, in order."""
    keys = list(sign_ups.values_list("pk", flat=True))
    sessions = hold_all(Session.objects.filter(sign_ups__in=keys).distinct())
    if any(session.state != SessionState.PLANNED for session in sessions):
        raise ActionRefused("這一期已結訓或已取消，不能再審核。")
    waiting = SignUp.objects.filter(pk__in=keys, standing__in=standings).select_related("account")
    return [(one, list(waiting.filter(session=one).order_by("turn"))) for one in sessions]


# --- Who can no longer come ----------------------------------------------------------------------


def give_up_places(account: Account, before: Served) -> None:
    """Cancel the sign-ups of a person for sessions no longer open to them: after leaving, or after
    moving to an agency that the course is not offered to.

    Called in the transaction of the new posting (`accounts.consequences`).  A
    session that another transaction locks is skipped: that one may hold the trail's head, and ours
    must not wait for a row; `free_places` follows within a minute.
    """
    if (before.status, before.agency_id) != (account.status, account.agency_id):
        _free(_of_leavers().filter(account=account))


def free_places() -> int:
    """As `give_up_places`, of everybody; return how many places and hopes ended.

    Called every minute by the worker.
    """
    return _free(_of_leavers())


def _of_leavers() -> QuerySet[SignUp]:
    coming = SignUp.objects.filter(standing__in=HOLDING, session__state=SessionState.PLANNED)
    for_everybody = Q(session__course__agency=None) | Q(session__course__for_all=True)
    offered = for_everybody | Q(session__course__agency=F("account__agency"))
    return coming.exclude(offered, account__status=Status.ACTIVE)


@transaction.atomic
def _free(leaving: QuerySet[SignUp]) -> int:
    free = Session.objects.filter(pk__in=leaving.values("session")).order_by("pk")
    held = free.select_for_update(of=("self",), no_key=True, skip_locked=True)
    coming = [one for one in held.select_related("course__agency") if not one.has_begun]
    freed = [
        (session, list(leaving.filter(session=session).select_related("account").order_by("turn")))
        for session in coming
    ]
    for session, gone in freed:
        # Who waits leaves first, so that nobody moves up who is leaving too.
        for one in sorted(gone, key=lambda one: one.standing == Standing.ENROLLED):
            _leave(one, session, Standing.CANCELLED)
        here = [one for one in gone if one.account.status == Status.ACTIVE]
        _tell(here, session, "signed_up", "因機關異動取消報名：{}")
    for session, gone in freed:
        for one in gone:
            _record_freed(session, one)
    return sum(len(gone) for _, gone in freed)


def _record_freed(session: Session, one: SignUp) -> None:
    trail.record(
        verbs.FREE_PLACE,
        session,
        actor=trail.SYSTEM,
        of=one.account.username,
    )


def _leave(sign_up: SignUp, session: Session, standing: Standing) -> None:
    held_a_place = sign_up.standing == Standing.ENROLLED
    sign_up.standing = standing
    sign_up.save(update_fields=["standing"])
    if held_a_place:
        session.taken -= 1
        _move_up(session)


def _move_up(session: Session) -> None:
    """Fill free places from the waiting list, in its order, until the class begins."""
    if session.has_begun:
        session.save(update_fields=["taken"])
        return
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
    number = len(holding)
    trail.record(verbs.REMIND_CLASS, session.course, actor=trail.SYSTEM, agency="", count=number)
    return True
