"""Actions on the yearly inventory: campaigns, and the sign-offs of agencies."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.devices.actions.devices import value_in_words
from ismp.security.incidents.actions import handlers, reviewers
from ismp.security.models import (
    Campaign,
    Decision,
    Device,
    SignOff,
    signing_agencies,
)
from ismp.ui.exports.cells import Cell
from ismp.ui.exports.csv import csv_lines
from ismp.ui.text import roc_dates


@transaction.atomic
def open_campaign(*, year: int, due_on: date, by: Account) -> Campaign:
    """Begin the yearly inventory; every agency's handlers are told.  Raises ActionRefused."""
    _refuse_senseless(year, due_on)
    campaign, is_new = Campaign.objects.get_or_create(
        year=year, defaults={"due_on": due_on, "opened_by": by.username}
    )
    if not is_new:
        raise ActionRefused(f"{year} 年度的盤點已經開始了。")
    tell_agencies(f"{year} 年度管制設備盤點開始，請確認清冊並簽署")
    trail.record(verbs.OPEN_CAMPAIGN, campaign, actor=by.username, year=year)
    return campaign


def _refuse_senseless(year: int, due_on: date) -> None:
    """A year beside this one, and a day from now on that lies in it or in the year after."""
    today = timezone.localdate()
    now = roc_dates.roc_year(today)
    if abs(year - now) > 1:
        raise ActionRefused(f"年度請填民國年，只能是 {now - 1} 到 {now + 1}。")
    if due_on < today or not year <= roc_dates.roc_year(due_on) <= year + 1:
        raise ActionRefused(f"期限不能早於今天，而且要在 {year} 年或 {year + 1} 年內。")


def tell_agencies(subject: str, link: str = "/manage/campaigns/") -> None:
    for agency in signing_agencies():
        notify(handlers(agency), kind="device", subject=subject, link=link)


@transaction.atomic
def save_campaign(campaign: Campaign, *, by: Account) -> Campaign:
    """Open a year's inventory, or correct it as long as nobody has signed; agencies are told.

    Raises ActionRefused.
    """
    if campaign.pk is None:
        return open_campaign(year=campaign.year, due_on=campaign.due_on, by=by)
    before = changes.stored(campaign)
    if campaign.sign_offs.exists():
        raise ActionRefused("已經有機關簽署，年度與期限不能再改；要延後期限，請按「展延期限」。")
    _refuse_senseless(campaign.year, campaign.due_on)
    changes.store(campaign, before)
    if found := changes.between(before, campaign):
        tell_agencies(
            f"管制設備盤點改為 {campaign.year} 年度、期限 {roc_dates.roc_date(campaign.due_on)}"
        )
    trail.record(verbs.SAVE_CAMPAIGN, campaign, actor=by.username, changes=found)
    return campaign


@transaction.atomic
def extend_campaign(campaign: Campaign, *, due_on: date, reason: str, by: Account) -> Campaign:
    """展延期限: a later day, for all agencies, which are told.  Raises ActionRefused."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    before = campaign.due_on
    if due_on <= before:
        raise ActionRefused(f"只能往後展延；目前的期限是 {roc_dates.roc_date(before)}。")
    if not reason.strip():
        raise ActionRefused("請填寫展延的理由。")
    _refuse_senseless(campaign.year, due_on)
    campaign.extensions.append(
        {
            "from": before.isoformat(),
            "to": due_on.isoformat(),
            "reason": national_id.hide(reason),
            "by": by.name,
        }
    )
    campaign.due_on = due_on
    campaign.save(update_fields=["due_on", "extensions"])
    tell_agencies(f"{campaign.year} 年度管制設備盤點的期限展延到 {roc_dates.roc_date(due_on)}")
    trail.record(
        verbs.EXTEND_CAMPAIGN,
        campaign,
        actor=by.username,
        reason=national_id.hide(reason),
        changes=[("期限", before.isoformat(), due_on.isoformat())],
    )
    return campaign


def sign_all(campaigns: Iterable[Campaign], *, by: Account) -> str:
    """Sign for one's own agency."""
    for campaign in campaigns:
        sign_off(campaign, agency=by.agency, by=by)
    return "已簽署本機關的管制設備清冊。"


def sign_offs_of(campaign: Campaign, user: Account) -> QuerySet[SignOff]:
    """Those that stand and those that were withdrawn, the newest first; without their lists."""
    signed = SignOff.objects.visible_to(user).filter(campaign=campaign)
    return signed.select_related("agency").defer("listing")


def unsigned(campaign: Campaign, user: Account) -> QuerySet[Agency]:
    """The agencies that have not signed, for those who see all agencies."""
    if not user.may(Right.ALL_AGENCIES):
        return Agency.objects.none()
    signed = SignOff.objects.valid().filter(campaign=campaign).order_by().values("agency")
    return signing_agencies().exclude(pk__in=signed).order_by("code")


def extensions_of(campaign: Campaign) -> list[dict[str, Any]]:
    """How its day was extended: `from`, `to` (days), `reason` and `by` (a name)."""
    days = ("from", "to")
    return [one | {d: date.fromisoformat(one[d]) for d in days} for one in campaign.extensions]


@transaction.atomic
def sign_off(campaign: Campaign, *, agency: Agency, by: Account) -> SignOff:
    """Sign the inventory as it stands; every restricted device needs a decision first.

    Raises ActionRefused.
    """
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    figures, listing = as_it_stands(agency)
    if figures["undecided"]:
        raise ActionRefused(f"還有 {figures['undecided']} 項清單上的設備沒有處置，請先決定再簽署。")
    sign_off, is_new = SignOff.objects.get_or_create(
        campaign=campaign,
        agency=agency,
        withdrawn_at=None,
        defaults={
            "signed_by": by.username,
            "signed_by_name": by.name,
            "figures": figures,
            "digest": hashlib.sha256(listing).hexdigest(),
            "listing": zlib.compress(listing),
        },
    )
    if not is_new:
        raise ActionRefused("本機關這個年度已經簽署過了。")
    trail.record(
        verbs.SIGN_INVENTORY,
        campaign,
        actor=by.username,
        agency=agency.code,
        year=campaign.year,
        digest=sign_off.digest,
    )
    return sign_off


@transaction.atomic
def withdraw_sign_off(campaign: Campaign, *, agency: Agency, reason: str, by: Account) -> SignOff:
    """撤回簽署: the agency's word no longer stands, and it may sign anew; reviewers are told.

    Raises ActionRefused.
    """
    valid = SignOff.objects.valid().select_for_update(of=("self",)).defer("listing")
    signed = valid.filter(campaign=campaign, agency=agency).select_related("campaign").first()
    if signed is None:
        raise ActionRefused("本機關這個年度沒有簽署，不必撤回。")
    if not reason.strip():
        raise ActionRefused("請填寫撤回簽署的理由。")
    signed.withdrawn_at, signed.withdrawn_for = timezone.now(), national_id.hide(reason)
    signed.withdrawn_by, signed.withdrawn_by_name = by.username, by.name
    names = ["withdrawn_at", "withdrawn_for", "withdrawn_by", "withdrawn_by_name"]
    signed.save(update_fields=names)
    notify(
        reviewers(),
        kind="device",
        subject=f"{agency.name}撤回 {signed.campaign.year} 年度管制設備盤點的簽署",
        link=f"/manage/campaigns/{signed.campaign_id}/",
    )
    trail.record(
        verbs.WITHDRAW_SIGN_OFF,
        signed,  # and not its campaign, of which other agencies read the history
        actor=by.username,
        year=signed.campaign.year,
        reason=signed.withdrawn_for,
    )
    return signed


def figures_of(agency: Agency) -> dict[str, int]:
    """Figures of an agency's inventory for the form and the dashboard."""
    today = timezone.localdate()
    devices = Device.objects.filter(agency=agency).in_use()
    return {
        "in_use": devices.count(),
        "restricted": devices.restricted().count(),
        "undecided": devices.undecided(today).count(),
        "overdue": devices.overdue(today).count(),
    }


_LISTED = (
    ("財產編號", "asset_no"),
    ("種類", "kind"),
    ("品項", "category"),
    ("廠牌", "brand"),
    ("型號", "model"),
    ("序號", "serial"),
    ("數量", "quantity"),
    ("放置地點", "place"),
    ("保管單位", "department"),
    ("連網情形", "network"),
    ("購置日期", "bought_on"),
    ("預計汰換日期", "retire_by"),
)
"""What a signed list says of a device: everything but people."""


def as_it_stands(agency: Agency) -> tuple[dict[str, int], bytes]:
    """The signed contents: figures (as `figures_of`), and the devices in use as a CSV, by number,
    each restricted one with what was decided.

    One query reads both, so that they fit whatever others store meanwhile.
    """
    today = timezone.localdate()
    same = Device.objects.filter(pk=OuterRef("pk"))
    standing = Decision.objects.standing().filter(device=OuterRef("pk")).order_by()
    devices = Device.objects.filter(agency=agency).in_use().select_related("restriction")
    found: Any = devices.order_by("asset_no").annotate(
        is_undecided=Exists(same.undecided(today)),
        is_overdue=Exists(same.overdue(today)),
        decided_kind=Subquery(standing.values("kind")),
        decided_day=Subquery(standing.values(day=Coalesce("retire_by", "expires_on"))),
    )
    figures = dict.fromkeys(("in_use", "restricted", "undecided", "overdue"), 0)

    def lines() -> Iterator[list[Cell]]:
        for device in found.iterator(2_000):
            is_restricted = device.restriction_id is not None
            figures["in_use"] += 1
            figures["restricted"] += is_restricted
            figures["undecided"] += device.is_undecided
            figures["overdue"] += device.is_overdue
            yield [
                *(value_in_words(device, name) for _, name in _LISTED),
                str(device.restriction or ""),
                decision_in_short(device.decided_kind, device.decided_day) if is_restricted else "",
            ]

    head = [*(title for title, _ in _LISTED), "限制清單", "處置"]
    listing = b"".join(csv_lines(head, lines()))
    return figures, listing


def decision_in_short(kind: str | None, day: date | None) -> str:
    return f"{Decision.Kind(kind).label}（{roc_dates.roc_date(day)}）" if kind else ""
