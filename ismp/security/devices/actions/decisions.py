"""Actions on decisions about a restricted device: to retire it, or to keep it with reason."""

from datetime import date

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.applications.actions.delegating import refuse_past_days
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.incidents.actions import handlers
from ismp.security.models import (
    Decision,
    Device,
    SecurityOfficer,
)
from ismp.ui.text import roc_dates


@transaction.atomic
def decide(
    device: Device,
    *,
    kind: Decision.Kind,
    retire_by: date | None = None,
    reason: str = "",
    measure: str = "",
    expires_on: date | None = None,
    on_behalf: str = "",
    by: Account,
) -> Decision:
    """Propose what becomes of a restricted device; somebody of another agency says why
    (`on_behalf`).

    Retiring within the day named holds at once and takes the place of an exception that waits;
    keeping waits for approval.  A later decision supersedes the one that stands.  Raises
    ActionRefused.
    """
    today = timezone.localdate()
    device = Device.objects.select_for_update(of=("self",)).get(pk=device.pk)
    stead = separation.on_behalf_of(by, device.agency, on_behalf)
    if device.restriction_id is None or device.retired_on:
        raise ActionRefused("這項設備不在清單上，或已經汰換，不需要處置。")
    if kind == Decision.Kind.RETIRE and (retire_by is None or retire_by < today):
        raise ActionRefused("請填寫汰換期限，而且不能早於今天。")
    if kind == Decision.Kind.KEEP and not (reason.strip() and measure.strip() and expires_on):
        raise ActionRefused("例外留用要填寫理由、補償措施與有效期限。")
    if expires_on and expires_on <= today:
        raise ActionRefused("有效期限要在今天以後。")
    if (until := retire_by or expires_on) and until > (last := last_day_of_a_decision(today)):
        raise ActionRefused(
            f"期限最長 {settings.DEVICE_DECISION_YEARS} 年，"
            f"請填 {roc_dates.roc_date(last)} 以前的日期；到期前可以重新決定。"
        )
    waiting = Decision.objects.filter(device=device, state=Decision.State.PENDING)
    needs_approval = kind == Decision.Kind.KEEP
    if needs_approval and waiting.exists():
        raise ActionRefused("這項設備已經有一個例外留用等候核可；要改內容，請提出的人先撤回。")
    waiting.update(state=Decision.State.WITHDRAWN, comment="改為限期汰換。")
    decision = Decision.objects.create(
        device=device,
        kind=kind,
        retire_by=retire_by,
        reason=national_id.hide(reason),
        measure=national_id.hide(measure),
        expires_on=expires_on,
        state=Decision.State.PENDING if needs_approval else Decision.State.APPROVED,
        made_by=by,
        on_behalf=stead.get("because", ""),
    )
    before = changes.stored(device)
    if not needs_approval:
        device.retire_by, device.retire_by_in_file = retire_by, None
        device.save(update_fields=["retire_by", "retire_by_in_file"])
    trail.record(
        verbs.DECIDE_DEVICE,
        decision,
        actor=by.username,
        changes=changes.between(before, device),
        **stead,
    )
    if needs_approval:
        _ask_for_approval(decision, by)
    return decision


def _ask_for_approval(decision: Decision, by: Account) -> None:
    """The agency's 資安長 is asked, whatever their role; without one its other handlers."""
    agency = decision.device.agency
    officer = SecurityOfficer.objects.on(timezone.localdate()).filter(agency=agency).first()
    if officer and (recipients := officer.on_duty(but=by)):
        asked, link = recipients, reverse("security:exception", args=[decision.pk])
    else:
        asked = list(handlers(agency).exclude(pk=by.pk))
        link = reverse("decisions:page", args=[decision.pk])
    notify(asked, kind="device", subject=f"例外留用待核可：{decision.device}", link=link)


def last_day_of_a_decision(today: date) -> date:
    """Until when a restricted device may be kept, or its retirement put off, at the longest.

    No article names a length; 法 §11 wants the way out looked for again and again (審查辦法 §7), so
    the platform's policy is a setting.
    """
    year = today.year + settings.DEVICE_DECISION_YEARS
    return today.replace(year=year, day=28 if (today.month, today.day) == (2, 29) else today.day)


@transaction.atomic
def withdraw(decision: Decision, *, by: Account) -> Decision:
    """撤回 an exception that still waits; only who proposed it may.  Raises ActionRefused."""
    decision = Decision.objects.select_for_update(of=("self",)).get(pk=decision.pk)
    if decision.state != Decision.State.PENDING:
        raise ActionRefused("這個例外留用已經有人決定過了，不能撤回。")
    if decision.made_by_id != by.pk:
        raise ActionRefused("只有提出的人可以撤回。")
    decision.state = Decision.State.WITHDRAWN
    decision.save(update_fields=["state"])
    trail.record(verbs.WITHDRAW_DEVICE, decision, actor=by.username)
    return decision


@transaction.atomic
def approve(
    decision: Decision,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> Decision:
    """核可 or refuse an exception, perhaps as a delegate.  Nobody approves their own.

    Raises ActionRefused.
    """
    held = Decision.objects.select_for_update(of=("self",)).select_related("device__agency")
    decision = held.get(pk=decision.pk)
    if decision.state != Decision.State.PENDING:
        raise ActionRefused("這個例外留用已經有人決定過了。")
    separation.refuse_own(
        by,
        [decision.made_by],
        in_place_of=in_place_of,
        right=Right.EDIT_SECURITY,
        agency=decision.device.agency,
    )
    refuse_past_days(by, in_place_of)
    if not accept and not comment.strip():
        raise ActionRefused("不同意時，請寫明理由。")
    if accept:
        _refuse_what_no_longer_fits(decision)
    decision.state = Decision.State.APPROVED if accept else Decision.State.REJECTED
    decision.comment, decision.decided_by = national_id.hide(comment), by
    decision.decided_at = timezone.now()
    decision.save(update_fields=["state", "comment", "decided_by", "decided_at"])
    stead = {"in_place_of": in_place_of.username} if in_place_of else {}
    trail.record(verbs.APPROVE_DEVICE, decision, actor=by.username, **stead)
    notify(
        [decision.made_by],
        kind="device",
        subject=f"例外留用{decision.get_state_display()}",
        link=f"/manage/devices/{decision.device_id}/",
    )
    return decision


def _refuse_what_no_longer_fits(decision: Decision) -> None:
    if decision.device.retired_on or decision.device.restriction_id is None:
        raise ActionRefused(
            "這項設備已經汰換，或已不在清單上，不需要例外留用；請按「不同意」結案。"
        )
    if decision.expires_on and decision.expires_on <= timezone.localdate():
        raise ActionRefused("申請的有效期限已經過了，請按「不同意」，由提出的人重新申請。")
