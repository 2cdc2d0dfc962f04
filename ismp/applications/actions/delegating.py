"""代理: naming a colleague who decides in one's place for some days, and ending that."""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from ismp.accounts.models import Account, Status
from ismp.accounts.roles import Right
from ismp.applications import verbs
from ismp.applications.models import Delegation
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.ui.text.roc_dates import roc_date

_LONGEST = timedelta(days=366)


def may_name(user: Account) -> bool:
    """Whether this person decides applications, so that a delegate can be named."""
    return user.may(Right.EDIT_PEOPLE)


@transaction.atomic
def delegate(*, username: str, since: date, until: date, by: Account) -> Delegation:
    """Name a colleague of one's own agency, whatever their role.  Raises ActionRefused."""
    if not may_name(by):
        raise ActionRefused("只有審核申請的管理者可以指定代理人。")
    if until < since:
        raise ActionRefused("代理的迄日早於起日，請更正。")
    today = timezone.localdate()
    if until < today or until - since > _LONGEST:
        raise ActionRefused("代理的迄日不能早於今天，期間不能超過一年，請更正。")
    if since > today + _LONGEST:
        raise ActionRefused(f"代理的起日最晚只能填 {roc_date(today + _LONGEST)}，請檢查年份。")
    # Locked, so that a double click names the delegate once.
    Account.objects.select_for_update(of=("self",), no_key=True).get(pk=by.pk)
    colleagues = Account.objects.filter(agency=by.agency_id, status=Status.ACTIVE)
    colleague = colleagues.exclude(pk=by.pk).filter(username__iexact=username).first()
    if colleague is None:
        raise ActionRefused("本機關沒有這個公務帳號的在職同仁；代理人要是本機關的另一位同仁。")
    named = Delegation.objects.filter(principal=by, delegate=colleague, ended_at=None)
    if named.filter(since__lte=until, until__gte=since).exists():
        raise ActionRefused(f"{colleague.name}在這段期間已經是您的代理人。")
    delegation = Delegation.objects.create(
        principal=by, delegate=colleague, since=since, until=until
    )
    notify(
        [colleague],
        kind="request",
        subject="您被指定為機關審核作業的代理人",
        body=f"{roc_date(since)} ~ {roc_date(until)}：請代{by.name}審核等候他處理的申請。",
        link="/manage/reviews/",
    )
    trail.record(verbs.DELEGATE, delegation, actor=by.username)
    return delegation


@transaction.atomic
def end_delegation(delegation: Delegation, *, by: Account) -> Delegation:
    """Let it end at once."""
    delegation = Delegation.objects.select_for_update(of=("self",)).get(pk=delegation.pk)
    if delegation.ended_at:
        raise ActionRefused("這個代理已經結束了。")
    delegation.ended_at = timezone.now()
    delegation.save(update_fields=["ended_at"])
    trail.record(verbs.END_DELEGATION, delegation, actor=by.username)
    return delegation


def refuse_past_days(by: Account, in_place_of: Account | None) -> None:
    """Raises ActionRefused when `by` is not (or no longer) a delegate of the principal."""
    if in_place_of and not Delegation.objects.held_by(by).filter(principal=in_place_of).exists():
        raise ActionRefused(f"您代理{in_place_of.name}的期間已經結束，請由本人決定。")
