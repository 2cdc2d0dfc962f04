"""Ordering that an agency is merged or dissolved, and cancelling the order."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from ismp.accounts import consequences as accounts_consequences
from ismp.accounts import effective_dated, verbs
from ismp.accounts.agencies.closing.carrying_out import (
    administrators_of,
    carry_out,
    hold_both,
    into_in_words,
)
from ismp.accounts.agencies.closing.preview import ALREADY_ORDERED, FARTHEST, obstacles, orders_into
from ismp.accounts.models import Account, Agency, Closing
from ismp.accounts.timeline import day_of
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates

# --- Ordering, cancelling, carrying out ----------------------------------------------------------


@transaction.atomic
def close(agency: Agency, *, into: Agency | None, since: date, by: Account) -> Closing:
    """Merge an agency into another one, or dissolve it, from a day on.

    Of today and earlier it is done at once; for a day to come, by the worker.

    Raises ActionRefused.
    """
    today = timezone.localdate()
    if abs(since - today) > FARTHEST:
        raise ActionRefused("生效日要在前後一年之內，請檢查年份。")
    agency, into = hold_both(agency, into)
    if agency.closed_on or agency.closings.standing().exists():
        raise ActionRefused(ALREADY_ORDERED)
    if into and (into.closed_on or into.closings.standing().filter(since__lte=since).exists()):
        raise ActionRefused(f"「{into}」也已登記合併或裁撤，請選擇其他機關。")
    if reasons := orders_into(agency, since):
        raise ActionRefused("".join(reasons))
    closing = Closing(agency=agency, into=into, since=since, recorded_by=by.username)
    closing.save(force_insert=True)
    if since <= today:
        carry_out(closing, by.username)
    else:
        if into is None and (reasons := obstacles(agency, into, since)):
            raise ActionRefused("".join(reasons))
        trail.record(
            verbs.ORDER_CLOSING,
            agency,
            actor=by.username,
            since=roc_dates.roc_date(since),
            **into_in_words(closing),
        )
        accounts_consequences.tell(
            administrators_of(agency, into),
            kind="agency",
            subject=f"{agency}：{closing.in_words}",
            body="當天自動生效，之前仍照常辦理。",
        )
    return closing


@transaction.atomic
def cancel_closing(closing: Closing, *, reason: str, by: Account) -> Closing:
    """Cancel what was ordered for a day to come.  Raises ActionRefused."""
    agency, _ = hold_both(closing.agency, None)
    closing = Closing.objects.get(pk=closing.pk)
    if closing.done_at:
        raise ActionRefused("合併或裁撤已經生效，不能取消。")
    effective_dated.cancel(closing, reason=reason, by=by.username)
    trail.record(
        verbs.CANCEL_CLOSING, agency, actor=by.username, cancelled=closing.in_words, reason=reason
    )
    return closing


def state_of(agency: Agency) -> str:
    """使用中, or what was ordered or done."""
    if agency.closed_on:
        day = day_of(agency.closed_on)
        return f"{day} 併入{agency.merged_into}" if agency.merged_into else f"{day} 裁撤"
    return "使用中"
