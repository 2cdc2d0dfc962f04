"""Actions that cancel what was entered by mistake: a person's service, the grade of an agency.

Nothing is deleted (ADR 22): what was known at an earlier moment stays as it was.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from ismp.accounts import consequences, effective_dated, national_id, separation, timeline, verbs
from ismp.accounts.actions import accounts
from ismp.accounts.actions.postings import copy_what_holds
from ismp.accounts.models import Account, AccountControl, Agency, AgencyGrade, Posting
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates

_LONGEST = 200
_ONLY_ONE = "這是這個帳號唯一有效的任職紀錄，不能取消；要停用帳號，請辦理「離職或停用」。"
_NOBODY_TODAY = "取消以後，今天就沒有任職紀錄了，不能取消；請改登記正確的異動。"
_MERGED = "取消以後會回到已經併入其他部門的「{}」，不能取消；請改登記正確的部門。"
_BETWEEN_AGENCIES = "這是機關之間的異動，請洽平台管理者取消，或重新申請機關異動。"


@transaction.atomic
def cancel_service(entry: Posting, *, reason: str, by: Account) -> Posting:
    """Cancel an entry of a person's service, to come or mistaken; what it had replaced holds again.

    Raises ActionRefused; the person is told.
    """
    account = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=entry.account_id)
    accounts.touch([account], by)
    reason = _given(reason)
    steps = {step.entry.pk: step for step in timeline.build(account)}
    if entry.pk in steps and len(steps) == 1:
        raise ActionRefused(_ONLY_ONE)
    before = _before(steps.values(), entry)
    if not by.may(Right.TRANSFER_PEOPLE):
        if before and before.agency_id != entry.agency_id:
            raise ActionRefused(_BETWEEN_AGENCIES)
        timeline.keep_within_reach(account, entry.since, replace=False, by=by)
    today = timezone.localdate()
    served_today = timeline.held_on(account, today) is not None
    effective_dated.cancel(entry, reason=reason, by=by.username)
    now = timeline.held_on(account, today)
    if served_today and now is None:
        raise ActionRefused(_NOBODY_TODAY)
    if now and (closed := now.agency.why_closed(today)):
        raise ActionRefused(f"取消以後會回到已經沒有的機關：{closed}")
    if now and now.department and now.department.merged_into_id:
        raise ActionRefused(_MERGED.format(now.department))
    was_active = account.is_active
    copy_what_holds(account)
    if account.is_active and not was_active:
        separation.note_control(account, AccountControl.Kind.RETURNED, by)
    step = steps[entry.pk]
    holds = timeline.held_on(account, entry.since)
    trail.record(
        verbs.CANCEL_SERVICE,
        account,
        actor=by.username,
        since=roc_dates.roc_date(entry.since),
        cancelled=step.words,
        reason=reason,
        changes=changes.between(entry, holds, *effective_dated.BOOKKEEPING) if holds else [],
    )
    consequences.tell(
        [account],
        kind="service",
        subject="您的一筆任職異動已取消",
        body=f"{step}。理由：{reason}",
    )
    return entry


def _before(steps: Any, entry: Posting) -> Posting | None:
    earlier = [step.entry for step in steps if step.entry.since < entry.since]
    return earlier[-1] if earlier else None


@transaction.atomic
def cancel_grading(grading: AgencyGrade, *, reason: str, by: Account) -> AgencyGrade:
    """Cancel the 責任等級 of an agency that was entered by mistake.  Raises ActionRefused."""
    agency = Agency.objects.select_for_update(no_key=True).get(pk=grading.agency_id)
    reason = _given(reason)
    effective_dated.cancel(grading, reason=reason, by=by.username)
    held = agency.grade_entries.on(grading.since).first()
    trail.record(
        verbs.CANCEL_GRADE,
        agency,
        actor=by.username,
        since=roc_dates.roc_date(grading.since),
        reason=reason,
        changes=[
            ("責任等級", grading.get_grade_display(), held.get_grade_display() if held else "")
        ],
    )
    return grading


def _given(reason: str) -> str:
    hidden = national_id.hide(reason.strip())[:_LONGEST]
    if not hidden:
        raise ActionRefused("請寫明取消的理由。")
    return hidden
