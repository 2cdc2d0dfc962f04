"""Actions on claims: ask, withdraw, recognise, refuse, revoke; and letting go of old certificates.

pending → approved → revoked, or pending → refused, or pending → withdrawn.  An action locks the
claim and checks its state, so that a double click or two deciders give one outcome.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.applications.actions.delegating import refuse_past_days
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.external_hours import files, verbs
from ismp.external_hours.models import ExternalClaim, Nature, State, most_hours
from ismp.hours.models import Record, in_hours
from ismp.hours.records.actions import crediting
from ismp.hours.records.actions.crediting import Credit
from ismp.imports.models import Source
from ismp.notifications.actions import notify
from ismp.ui.resources import versions
from ismp.ui.text import roc_dates

_BATCH = 200
"""How many certificates are deleted in one transaction."""


@transaction.atomic
def apply(claim: ExternalClaim, certificate: Iterable[bytes], *, by: Account) -> ExternalClaim:
    """申請: keep the claim with its certificate and tell those who decide.

    The same claim again (a double click) is the one that waits already.  Raises ActionRefused.
    """
    Account.objects.select_for_update(of=("self",), no_key=True).get(pk=by.pk)
    claim.agency, claim.account = by.agency, by
    claim.title = national_id.hide(claim.title.strip())
    claim.organizer = national_id.hide(claim.organizer.strip())
    claim.description = national_id.hide(claim.description)
    known = _same(claim)
    if known and known.state == State.PENDING:
        return known
    if known:
        raise ActionRefused("這個訓練已經認列過了，不能再申請一次；時數請看「我的時數」。")
    _refuse_odd_hours(claim, claim.hours)
    claim.save(force_insert=True)
    files.store(claim, certificate)
    notify(
        deciders(claim),
        kind="claim",
        subject="有一件外部時數認列等候審核",
        link=reverse("claims:page", args=[claim.pk]),
    )
    trail.record(verbs.CLAIM_HOURS, claim, actor=by.username, hours=in_hours(claim.hours))
    return claim


def _same(claim: ExternalClaim) -> ExternalClaim | None:
    """The person's claims for the same training that were not rejected."""
    compared = ("account", "category", "title", "started_on", "ended_on")
    equal = ExternalClaim.objects.filter(**{name: getattr(claim, name) for name in compared})
    return equal.filter(state__in=[State.PENDING, State.APPROVED]).first()


@transaction.atomic
def withdraw(claim: ExternalClaim, *, by: Account) -> ExternalClaim:
    """Take a claim back before it is decided; its certificate is kept no longer."""
    claim = _held(claim, State.PENDING)
    claim.state = State.WITHDRAWN
    claim.save(update_fields=["state"])
    _forget_certificate(claim)
    trail.record(verbs.WITHDRAW_CLAIM, claim, actor=by.username)
    return claim


@transaction.atomic
def approve(
    claim: ExternalClaim,
    *,
    category: int | None = None,
    given: int | None = None,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> ExternalClaim:
    """認列: credit the claimed hours, or other hours (thousandths) or another category."""
    hold_agencies([claim.pk])
    claim = _held(claim, State.PENDING)
    _refuse_own(claim, by, in_place_of)
    refuse_past_days(by, in_place_of)
    if claim.account.agency_id != claim.agency_id:
        raise ActionRefused(
            "這位同仁已不在本機關，不能認列；請選「不同意」，並請他在新機關重新申請。"
        )
    claim.given_category = category or claim.category
    claim.given_hours = given or claim.hours
    _refuse_odd_hours(claim, claim.given_hours)
    [run] = crediting.credit(
        [_credit(claim)], about=f"外部時數認列 {claim.pk}", source=Source.EXTERNAL, by=by
    )
    run.refresh_from_db()
    if not run.created:
        raise ActionRefused(
            "他已有同一個訓練的時數紀錄（類別、名稱與日期都相同），不能再認列；請選「不同意」。"
        )
    claim.run = run
    return _decide(claim, State.APPROVED, comment, by, in_place_of)


@transaction.atomic
def refuse(
    claim: ExternalClaim, *, comment: str, by: Account, in_place_of: Account | None = None
) -> ExternalClaim:
    """不同意, with the reason for the claimant."""
    claim = _held(claim, State.PENDING)
    _refuse_own(claim, by, in_place_of)
    refuse_past_days(by, in_place_of)
    if not comment.strip():
        raise ActionRefused("不同意時，請填寫審核意見，讓申請人知道原因。")
    return _decide(claim, State.REFUSED, comment, by, in_place_of)


def _decide(
    claim: ExternalClaim, state: State, comment: str, by: Account, in_place_of: Account | None
) -> ExternalClaim:
    claim.state, claim.comment = state, national_id.hide(comment.strip())
    claim.decided_at, claim.decided_by = timezone.now(), by
    given = ("given_category", "given_hours", "run")
    claim.save(update_fields=["state", "comment", "decided_at", "decided_by", *given])
    _tell(claim)
    stead = {"in_place_of": in_place_of.username} if in_place_of else {}
    approved, hours_given = state == State.APPROVED, in_hours(claim.given_hours)
    trail.record(
        verbs.APPROVE_CLAIM if approved else verbs.REFUSE_CLAIM,
        claim,
        actor=by.username,
        hours=hours_given,
        **stead,
    )
    return claim


@transaction.atomic
def revoke(claim: ExternalClaim, *, reason: str, by: Account) -> ExternalClaim:
    """撤銷認列: the hours go for good; who asked and who decided stays."""
    hold_agencies([claim.pk])
    claim = _held(claim, State.APPROVED)
    _refuse_own(claim, by)
    if not reason.strip():
        raise ActionRefused("請填寫撤銷理由，申請人會看到。")
    if claim.run is None:
        raise ValueError("a recognised claim has a run (database constraint)")
    crediting.revoke(claim.run, reason=f"撤銷外部認列：{reason.strip()}"[:200], by=by)
    claim.state, claim.revoke_reason = State.REVOKED, national_id.hide(reason.strip())
    claim.revoked_at, claim.revoked_by = timezone.now(), by
    claim.save(update_fields=["state", "revoke_reason", "revoked_at", "revoked_by"])
    _tell(claim)
    trail.record(verbs.REVOKE_CLAIM, claim, actor=by.username, hours=in_hours(claim.given_hours))
    return claim


@transaction.atomic
def note_opening(claim: ExternalClaim, *, by: Account) -> None:
    """Whoever looks at somebody else's certificate leaves a trace."""
    trail.record(verbs.OPEN_CERTIFICATE, claim, actor=by.username)


# --- What the actions lean on ---------------------------------------------------------------------


def deciders(claim: ExternalClaim) -> QuerySet[Account]:
    """Recipients of a claim's notice: the agency's deciders, or the platform's without any."""
    may = Account.objects.who_may(Right.RECOGNIZE_HOURS)
    others = may.exclude(pk__in=Account.objects.with_number_of(claim.account))
    here = others.filter(agency=claim.agency)
    platform = Account.objects.who_may(Right.ALL_AGENCIES).values("pk")
    return here if here.exists() else others.filter(pk__in=platform)


def records_within(claim: ExternalClaim) -> QuerySet[Record]:
    """The person's records within the days of the training, under any account."""
    own = Record.objects.live().of_person(claim.account)
    return own.filter(started_on__gte=claim.started_on, ended_on__lte=claim.ended_on)


def _refuse_odd_hours(claim: ExternalClaim, asked: int) -> None:
    """Nobody learns more than 24 hours a day, all trainings of the person taken together."""
    most = most_hours(claim.started_on, claim.ended_on)
    if asked > most:
        raise ActionRefused(
            f"{roc_dates.roc_date(claim.started_on)} 到 {roc_dates.roc_date(claim.ended_on)} 最多 "
            f"{in_hours(most)} 小時（一天 24 小時），請更正時數或日期。"
        )
    known = records_within(claim).aggregate(sum=Sum("hours", default=0))["sum"]
    if asked + known > most:
        raise ActionRefused(
            f"這段期間已有 {in_hours(known)} 小時的紀錄，加上這次超過一天 24 小時；"
            "請核對日期與時數。"
        )


def _credit(claim: ExternalClaim) -> Credit:
    given, on_line = claim.given_hours or 0, claim.nature == Nature.DIGITAL
    return Credit(
        account=claim.account,
        category=claim.given_category or claim.category,
        organizer_code="",
        organizer_name=claim.organizer,
        title=claim.title,
        term="",
        started_on=claim.started_on,
        ended_on=claim.ended_on,
        digital_hours=given if on_line else 0,
        classroom_hours=0 if on_line else given,
    )


def purge() -> int:
    """Delete certificates whose claims have been decided for long; return how many.

    The claim and who decided it stay.  Called every hour by the worker.
    """
    count = 0
    while deleted := _purge():
        count += deleted
    return count


@transaction.atomic
def _purge() -> int:
    before = timezone.now() - timedelta(days=settings.CERTIFICATES_KEPT_DAYS)
    kept = ExternalClaim.objects.filter(certificate_deleted_at=None)
    late = kept.alias(done_at=Coalesce("revoked_at", "decided_at")).filter(done_at__lt=before)
    held = list(late.select_for_update(of=("self",), skip_locked=True).order_by("pk")[:_BATCH])
    for claim in held:
        _forget_certificate(claim)
    if held:
        trail.record(verbs.PURGE_CERTIFICATES, actor=trail.SYSTEM, count=len(held))
    return len(held)


def _forget_certificate(claim: ExternalClaim) -> None:
    files.forget(claim)
    claim.certificate_deleted_at = timezone.now()
    claim.save(update_fields=["certificate_deleted_at"])


def hold_agencies(claims: list[int]) -> None:
    """Hold the agencies of claims (by their keys) before these, and before hours are added up: of
    two claims of one person that are recognised at once the second sees the first one's."""
    agencies = ExternalClaim.objects.filter(pk__in=claims).values_list("agency", flat=True)
    versions.hold(Agency.objects.all(), agencies)


def _held(claim: ExternalClaim, state: State) -> ExternalClaim:
    held = ExternalClaim.objects.select_for_update(of=("self",)).select_related(
        "agency", "account__agency", "account__department", "run"
    )
    claim = held.get(pk=claim.pk)
    if claim.state != state:
        raise ActionRefused(f"這件申請目前是「{claim.get_state_display()}」，不能這樣處理。")
    return claim


def _refuse_own(claim: ExternalClaim, by: Account, in_place_of: Account | None = None) -> None:
    separation.refuse_own(
        by,
        [claim.account],
        in_place_of=in_place_of,
        right=Right.RECOGNIZE_HOURS,
        agency=claim.agency,
    )


def _tell(claim: ExternalClaim) -> None:
    """The claimant without a name: the text may travel by e-mail."""
    notify(
        [claim.account],
        kind="claim",
        subject=f"您的外部時數認列申請：{claim.get_state_display()}",
        body=f"「{claim.title}」{claim.get_state_display()}。"
        f"{claim.revoke_reason if claim.state == State.REVOKED else claim.comment}",
        link=reverse("external_hours:my_claims"),
    )
