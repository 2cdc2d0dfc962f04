"""Actions on accounts: bring in a roster, say where and as what one serves, appoint to a role."""

import logging
from datetime import date, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from ismp.accounts import consequences, effective_dated, separation, timeline, verbs
from ismp.accounts.agencies.actions import apply_due_names
from ismp.accounts.agencies.closing import carrying_out
from ismp.accounts.models import (
    Account,
    AccountControl,
    Agency,
    AgencyGrade,
    Department,
    Grade,
    Leave,
    Posting,
    Status,
)
from ismp.accounts.roles import ROLE_NAMES, Role
from ismp.accounts.roster import importing as roster_importing
from ismp.accounts.roster.changes import role_elsewhere
from ismp.accounts.roster.importing import RosterImport, RosterResult, Taken
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.http.error_pages import is_deadlock
from ismp.ui.text.roc_dates import roc_date

logger = logging.getLogger(__name__)

_DUE_DAYS = 31
_TRIES = 3
_SECOND_ACCOUNT = "該機關已有另一個在職帳號使用同一個身分證字號，請先將那個帳號改為離職。"


def import_roster(
    data: bytes, *, sender: Account | None = None, subject: str = "", by: str
) -> RosterResult:
    """Bring accounts, agencies and departments in line with a roster file.

    An account that served elsewhere moves.  Importing the same roster again changes nothing; what
    the file has no column for stays.  With a `sender` only what they may edit by hand may stand in
    the roster; `subject` is what its events are about.  Raises RosterRejected with every line at
    fault, or FileRejected; then nothing is stored.

    One that passed is written in short pieces (`roster.importing`): each a transaction of its own
    with an event for each account that it makes or changes and one for itself.  When it breaks off,
    those that are done stay, and importing the file again does the rest: as is done here when
    PostgreSQL ends a piece because somebody else waited for its rows, and it for theirs.
    """
    done = Taken()
    for number in range(_TRIES):
        begun = RosterImport(data, sender=sender, subject=subject, by=by, done=done)
        try:
            for piece in begun.pieces:
                taken = begun.take(piece)
                done = Taken([*done.lines, *taken.lines], [*done.faults, *taken.faults])
                roster_importing.give_way()
        except OperationalError as error:
            is_last = number == _TRIES - 1
            if is_last or connection.in_atomic_block or not is_deadlock(error):
                raise
        else:
            break
    return begun.result


@transaction.atomic
def assign(
    account: Account,
    *,
    agency: Agency | None = None,
    department: Department | None = None,
    identities: str | None = None,
    status: Status | None = None,
    since: date,
    replace: bool = False,
    by: str,
) -> Posting:
    """Say where and as what a person serves from a day on; what is not named stays.

    A move to another agency leaves the department behind unless one is named.  A day to come
    takes effect on that day (`apply_due`).  An entry of the same day is corrected by this one;
    later ones are replaced with `replace` only.  Raises LaterEntry, ActionRefused.
    """
    account = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
    steps = timeline.build(account)
    later = [step for step in steps if step.entry.since > since]
    held = _held(account, steps, since, by)
    if held.status == Status.LEFT and status is None and held.since <= since:
        raise ActionRefused(
            f"{account.name}（{account.username}）從 {timeline.day_of(held.since)} 起已離職，"
            "不能登記這項異動；請先取消離職的登記，或辦理復用。"
        )
    moves = agency is not None and agency.pk != held.agency_id
    if department and department.agency_id != (agency.pk if agency else held.agency_id):
        raise ActionRefused("這個部門不屬於該機關，請重新選擇部門。")
    if department and since >= timezone.localdate():
        # It stays as it is until this is stored: a merger that comes meanwhile finds the person.
        standing = Department.objects.select_for_update(no_key=True).get(pk=department.pk)
        if standing.merged_into_id:
            raise ActionRefused("這個部門已併入其他部門，請重新選擇部門。")
    entry = Posting(
        account=account,
        agency_id=agency.pk if agency else held.agency_id,
        department_id=department.pk if department else None if moves else held.department_id,
        identities=identities or held.identities,
        status=status or held.status,
        since=since,
        recorded_by=by,
    )
    # Nor for a day before the end: nothing later would carry the person on.
    closed = entry.agency.why_closed(max(since, timezone.localdate()))
    if closed and entry.status == Status.ACTIVE:
        raise ActionRefused(closed)
    if timeline.has_double(entry):
        raise ActionRefused(_SECOND_ACCOUNT)
    refusal = timeline.refusal(account, since, later) if later else ""
    effective_dated.add(entry, replace=replace, refusal=refusal)
    copy_what_holds(account)
    trail.record(
        verbs.ASSIGN,
        account,
        actor=by,
        agency=entry.agency.code,
        since=roc_date(since),
        identities=entry.identities,
        status=entry.status,
        replaced="；".join(map(str, later)),
        changes=changes.between(held, entry, *effective_dated.BOOKKEEPING),
    )
    return entry


def _held(account: Account, steps: list[timeline.Step], since: date, by: str) -> Posting:
    """The entry that an entry of that day starts from: the one that holds then; before the first
    service, that one."""
    earlier = [step.entry for step in steps if step.entry.since <= since]
    if earlier:
        return earlier[-1]
    return steps[0].entry if steps else timeline.as_now(account, since, by)


def copy_what_holds(account: Account) -> bool:
    """Make the account what its service says of today; return whether it was something else."""
    entry = account.postings.on(timezone.localdate()).first()
    if entry is None or all(
        getattr(entry, name) == getattr(account, name) for name in timeline.SERVED
    ):
        return False
    before = consequences.Served.now(account)
    if account.agency_id != entry.agency_id:
        account.role = role_elsewhere(account)
    for name in timeline.SERVED:
        setattr(account, name, getattr(entry, name))
    try:
        with transaction.atomic():
            account.save(update_fields=[*timeline.SERVED, "role"])
    except IntegrityError as error:
        raise ActionRefused(_SECOND_ACCOUNT) from error
    consequences.follow(account, before)
    return True


def apply_due() -> int:
    """Let what was assigned for a day that has come take effect; return for how many accounts.

    Agencies first: those whose name, or whose end, was entered for the day.  Called every hour by
    the worker.  What has become impossible meanwhile is tried again.
    """
    apply_due_names()
    carrying_out.apply_due()
    carrying_out.bring_latecomers()
    today = timezone.localdate()
    begun = Posting.objects.filter(since__range=(today - timedelta(days=_DUE_DAYS), today))
    changed = 0
    for account in Account.objects.filter(pk__in=begun.values("account")):
        try:
            changed += _begin_serving(account)
        except ActionRefused:
            logger.warning("account %s cannot serve as assigned", account.pk)
    return changed


@transaction.atomic
def _begin_serving(account: Account) -> bool:
    changed = copy_what_holds(account)
    if changed:
        trail.record(verbs.BEGIN_SERVING, account, actor=trail.SYSTEM)
    return changed


@transaction.atomic
def grade(
    agency: Agency, value: Grade, *, since: date, replace: bool = False, by: str
) -> AgencyGrade:
    """Note the 責任等級 of an agency from a day on.  Raises LaterEntry, ActionRefused."""
    agency = Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    if closed := agency.why_closed(since):
        raise ActionRefused(closed)
    held = agency.grade_entries.on(since).first()
    grading = AgencyGrade(agency=agency, grade=value, since=since, recorded_by=by)
    later = [f"{roc_date(one.since)} {one.get_grade_display()}" for one in grading.later()]
    effective_dated.add(
        grading,
        replace=replace,
        refusal=f"「{agency}」之後已核定：{'；'.join(later)}。生效日 {roc_date(since)} 比它早；"
        "請改填更後面的日期，或選擇「取代之後的登記」。",
    )
    trail.record(
        verbs.GRADE,
        agency,
        actor=by,
        grade=value,
        since=roc_date(since),
        replaced="；".join(later),
        changes=[
            ("責任等級", held.get_grade_display() if held else "", grading.get_grade_display())
        ],
    )
    return grading


@transaction.atomic
def grant_leave(
    account: Account,
    *,
    since: date,
    until: date | None,
    reason: str,
    replace: bool = False,
    by: str,
) -> Leave:
    """留職停薪: exempt a person from the duties for a time.

    Leaves that overlap it are withdrawn with `replace`, and refuse it without.  Raises
    LaterEntry, ActionRefused.
    """
    if until and until < since:
        raise ActionRefused("留職停薪的迄日早於起日，請更正。")
    account = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
    over = list(account.leaves.overlapping(since, until))
    words = "；".join(one.in_words for one in over)
    if over and not replace:
        raise effective_dated.LaterEntry(
            f"{account.name}（{account.username}）已登記留職停薪：{words}，期間重疊；"
            "請更正起迄日，或選擇「取代重疊的登記」。"
        )
    leave = Leave(account=account, since=since, until=until, reason=reason, recorded_by=by)
    for one in over:
        one.withdrawn_at, one.withdrawn_by = leave.recorded_at, by
        one.withdrawal_reason = "由新的登記取代"
        one.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawal_reason"])
    leave.save(force_insert=True)
    trail.record(
        verbs.GRANT_LEAVE,
        account,
        actor=by,
        since=roc_date(since),
        until=roc_date(until),
        replaced=words,
    )
    return leave


@transaction.atomic
def withdraw_leave(leave: Leave, *, reason: str = "", by: str) -> Leave:
    """Take a leave back that was noted by mistake; it stays in the trail and in old standings.

    The person is told.  Raises ActionRefused.
    """
    leave = Leave.objects.select_for_update(of=("self",)).get(pk=leave.pk)
    if leave.withdrawn_at:
        raise ActionRefused("這筆留職停薪已經撤銷了，請重新整理這一頁。")
    leave.withdrawn_at, leave.withdrawn_by = timezone.now(), by
    leave.withdrawal_reason = reason
    leave.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawal_reason"])
    consequences.tell(
        [leave.account],
        kind="service",
        subject="您的一筆留職停薪登記已撤銷",
        body=f"{leave.in_words}。理由：{reason}" if reason else leave.in_words,
    )
    trail.record(verbs.WITHDRAW_LEAVE, leave, actor=by, cancelled=leave.in_words, reason=reason)
    return leave


@transaction.atomic
def appoint(account: Account, role: Role, *, by: str) -> None:
    """Give an account its role."""
    former = ROLE_NAMES[Role(account.role)]
    account.role = role.value
    account.save(update_fields=["role"])
    separation.note_control(account, AccountControl.Kind.ROLE, by)
    trail.record(
        verbs.APPOINT,
        account,
        actor=by,
        role=ROLE_NAMES[role],
        changes=[("角色", former, ROLE_NAMES[role])] if former != ROLE_NAMES[role] else [],
    )
