"""管制設備: deeds on the inventory, the list of restricted products, decisions, the yearly check.

What falls under the list is worked out at once for all devices concerned and kept on the device;
each hit then asks for a decision.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account, Agency, Status
from ismp.accounts.roles import Right
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.notices.actions import notify
from ismp.requests.delegations import refuse_past_days
from ismp.security import inventory, products
from ismp.security.incidents import handlers
from ismp.security.inventory import Inventory
from ismp.security.models import Campaign, Decision, Device, RestrictedProduct, SignOff
from ismp.ui import paper, roc

_BATCH = 5_000
_UPDATED_AT_ONCE = 200


def match(devices: QuerySet[Device], today: date | None = None) -> int:
    """Note on each of these devices what it falls under; return how many changed."""
    today = today or timezone.localdate()
    listed = RestrictedProduct.objects.filter(issued_on__lte=today).exclude(ended_on__lt=today)
    patterns = {one.pk: (one.brand, one.model) for one in listed}
    held = list(devices.order_by().values_list("pk", "brand", "model", "restriction"))
    found = products.match(((brand, model) for _, brand, model, _ in held), patterns)
    changed: dict[int | None, list[int]] = defaultdict(list)
    for pk, brand, model, restriction in held:
        if (wanted := found.get((brand, model))) != restriction:
            changed[wanted].append(pk)
    for wanted, devices_of_it in changed.items():
        for start in range(0, len(devices_of_it), _BATCH):
            some = Device.objects.filter(pk__in=devices_of_it[start : start + _BATCH])
            some.update(restriction=wanted)
    return sum(map(len, changed.values()))


@transaction.atomic
def save_device(device: Device, *, by: Account) -> Device:
    """Add a device, or keep what was changed on it; see at once whether it is restricted."""
    is_new = device.pk is None
    device.save()
    match(Device.objects.filter(pk=device.pk))
    device.refresh_from_db()
    trail.record(
        "save_device",
        actor=by.username,
        agency=device.agency.code,
        subject=f"device:{device.pk}",
        new=is_new,
        restricted=device.restriction_id is not None,
    )
    return device


@dataclass(frozen=True)
class Row:
    """What a row of an inventory does to its device; `words` say it to a reader."""

    line: int
    outcome: str
    """created | updated | unchanged."""
    words: str
    device: Device


@transaction.atomic
def take_in(found: Inventory, *, agency: Agency, of: str = "", by: Account) -> list[Row]:
    """Bring the inventory of an agency in line with a file; devices not in it stay.

    `of` is what the event is about.
    """
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    held = {device.asset_no: device for device in Device.objects.filter(agency=agency)}
    rows = [_row(line, entry, held, agency) for line, entry in found.entries.items()]
    of_outcome = {
        outcome: [row.device for row in rows if row.outcome == outcome]
        for outcome in ("created", "updated", "unchanged")
    }
    Device.objects.bulk_create(of_outcome["created"], batch_size=_BATCH)
    columns = [name for name in inventory.TITLES if name != "asset_no"]
    Device.objects.bulk_update(of_outcome["updated"], columns, batch_size=_UPDATED_AT_ONCE)
    match(Device.objects.filter(agency=agency).in_use())
    trail.record(
        "take_in_devices",
        actor=by.username,
        agency=agency.code,
        subject=of,
        **{outcome: len(some) for outcome, some in of_outcome.items()},
        rejected=len(found.faults),
    )
    return rows


def _row(line: int, entry: dict[str, object], held: dict[str, Device], agency: Agency) -> Row:
    device = held.get(str(entry["asset_no"]))
    if device is None:
        return Row(line, "created", "", Device(agency=agency, **entry))
    changed = [name for name, value in entry.items() if getattr(device, name) != value]
    if not changed:
        return Row(line, "unchanged", "", device)
    before = {name: _in_words(device, name) for name in changed}
    for name in changed:
        setattr(device, name, entry[name])
    words = "；".join(
        f"{inventory.TITLES[name]}「{before[name]}」改為「{_in_words(device, name)}」"
        for name in changed
    )
    return Row(line, "updated", words, device)


def _in_words(device: Device, name: str) -> str:
    """The value of a field as the file writes it."""
    label = getattr(device, f"get_{name}_display", None)
    value = label() if label else getattr(device, name)
    return roc.roc_date(value) if isinstance(value, date) else "" if value is None else str(value)


@transaction.atomic
def retire(devices: QuerySet[Device], *, on: date, by: Account) -> int:
    """汰換: the devices are no longer in use from a day on; return how many."""
    chosen = devices.in_use()  # type: ignore[attr-defined]
    agencies = set(chosen.values_list("agency__code", flat=True))
    count = chosen.update(retired_on=on)
    trail.record(
        "retire_devices",
        actor=by.username,
        agency=agencies.pop() if len(agencies) == 1 else "",
        count=count,
    )
    return count


@transaction.atomic
def save_product(product: RestrictedProduct, *, by: Account) -> RestrictedProduct:
    """Add a line to the list, or correct one; devices everywhere are looked at anew."""
    product.save()
    _match_all()
    trail.record("save_product", actor=by.username, subject=f"restrictedproduct:{product.pk}")
    return product


@transaction.atomic
def restrict(listed: Iterable[RestrictedProduct], *, by: Account) -> int:
    """Add products to the list (again: nothing changes); return how many devices it newly hits.

    Agencies that have such devices are told.
    """
    RestrictedProduct.objects.bulk_create(list(listed), ignore_conflicts=True)
    changed = _match_all()
    trail.record("restrict_products", actor=by.username, count=changed)
    return changed


@transaction.atomic
def lift(product: RestrictedProduct, *, on: date, by: Account) -> int:
    """The authority no longer restricts a product after a day."""
    product.ended_on = on
    product.save(update_fields=["ended_on"])
    changed = _match_all()
    trail.record("lift_product", actor=by.username, subject=f"restrictedproduct:{product.pk}")
    return changed


def _match_all() -> int:
    before = set(_hit_agencies())
    changed = match(Device.objects.in_use())
    for agency in Agency.objects.filter(pk__in=set(_hit_agencies()) - before):
        notify(
            handlers(agency),
            kind="device",
            subject="有設備列入危害國家資通安全產品清單，請逐項決定處置",
            link="/manage/devices/?state=undecided",
        )
    return changed


def _hit_agencies() -> Iterable[int]:
    undecided = Device.objects.all().undecided(timezone.localdate())
    return undecided.order_by().values_list("agency", flat=True).distinct()


@transaction.atomic
def decide(
    device: Device,
    *,
    kind: Decision.Kind,
    retire_by: date | None = None,
    reason: str = "",
    measure: str = "",
    expires_on: date | None = None,
    by: Account,
) -> Decision:
    """Propose what becomes of a restricted device.

    Retiring within the day named holds at once; keeping waits for approval.  Raises NotPossible.
    """
    today = timezone.localdate()
    if device.restriction_id is None or device.retired_on:
        raise NotPossible("這項設備不在清單上，或已經汰換，不需要處置。")
    if kind == Decision.Kind.RETIRE and (retire_by is None or retire_by < today):
        raise NotPossible("請填寫汰換期限，而且不能早於今天。")
    if kind == Decision.Kind.KEEP and not (reason and measure and expires_on):
        raise NotPossible("例外留用要填寫理由、補償措施與有效期限。")
    if expires_on and expires_on <= today:
        raise NotPossible("有效期限要在今天以後。")
    needs_approval = kind == Decision.Kind.KEEP
    decision = Decision.objects.create(
        device=device,
        kind=kind,
        retire_by=retire_by,
        reason=national_id.hide(reason),
        measure=national_id.hide(measure),
        expires_on=expires_on,
        state=Decision.State.PENDING if needs_approval else Decision.State.APPROVED,
        made_by=by,
    )
    if not needs_approval:
        device.retire_by = retire_by
        device.save(update_fields=["retire_by"])
    _record(decision, "decide_device", by)
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
    """核可 or refuse an exception, perhaps in somebody's place.  Nobody approves her own."""
    decision = Decision.objects.select_for_update(of=("self",)).get(pk=decision.pk)
    if decision.state != Decision.State.PENDING:
        raise NotPossible("這個例外留用已經有人決定過了。")
    separation.refuse_own(
        by,
        [decision.made_by],
        in_place_of=in_place_of,
        right=Right.EDIT_SECURITY,
        agency=decision.device.agency,
    )
    refuse_past_days(by, in_place_of)
    if not accept and not comment.strip():
        raise NotPossible("不同意時，請寫明理由。")
    decision.state = Decision.State.APPROVED if accept else Decision.State.REJECTED
    decision.comment, decision.decided_by = national_id.hide(comment), by
    decision.decided_at = timezone.now()
    decision.save(update_fields=["state", "comment", "decided_by", "decided_at"])
    stead = {"in_place_of": in_place_of.username} if in_place_of else {}
    _record(decision, "approve_device", by, **stead)
    notify(
        [decision.made_by],
        kind="device",
        subject=f"例外留用{decision.get_state_display()}",
        link=f"/manage/devices/{decision.device_id}/",
    )
    return decision


def _record(decision: Decision, verb: str, by: Account, **detail: str) -> None:
    trail.record(
        verb,
        actor=by.username,
        agency=decision.device.agency.code,
        subject=f"device:{decision.device_id}",
        kind=decision.get_kind_display(),
        state=decision.get_state_display(),
        **detail,
    )


@transaction.atomic
def open_campaign(*, year: int, due_on: date, by: Account) -> Campaign:
    """Begin the yearly inventory; every agency's handlers are told."""
    campaign, is_new = Campaign.objects.get_or_create(
        year=year, defaults={"due_on": due_on, "opened_by": by.username}
    )
    if not is_new:
        raise NotPossible(f"{year} 年度的盤點已經開始了。")
    active = Agency.objects.filter(accounts__status=Status.ACTIVE).distinct()
    for agency in active:
        notify(
            handlers(agency),
            kind="device",
            subject=f"{year} 年度管制設備盤點開始，請確認清冊並簽署",
            link="/manage/campaigns/",
        )
    trail.record("open_campaign", actor=by.username, subject=f"campaign:{campaign.pk}", year=year)
    return campaign


def save_campaign(campaign: Campaign, *, by: Account) -> Campaign:
    """Open a year's inventory, or move its day."""
    if campaign.pk is None:
        return open_campaign(year=campaign.year, due_on=campaign.due_on, by=by)
    with transaction.atomic():
        campaign.save()
        trail.record(
            "open_campaign",
            actor=by.username,
            subject=f"campaign:{campaign.pk}",
            year=campaign.year,
            until=roc.roc_date(campaign.due_on),
        )
    return campaign


def sign_all(campaigns: Iterable[Campaign], *, by: Account) -> str:
    """Sign for one's own agency."""
    for campaign in campaigns:
        sign_off(campaign, agency=by.agency, by=by)
    return "已簽署本機關的管制設備清冊。"


def sign_offs_of(campaign: Campaign, user: Account) -> QuerySet[SignOff]:
    return SignOff.objects.visible_to(user).filter(campaign=campaign).select_related("agency")


@transaction.atomic
def sign_off(campaign: Campaign, *, agency: Agency, by: Account) -> SignOff:
    """Sign the inventory as it stands; every restricted device needs a decision first."""
    devices = Device.objects.filter(agency=agency).in_use()
    figures = figures_of(agency)
    if figures["undecided"]:
        raise NotPossible(f"還有 {figures['undecided']} 項清單上的設備沒有處置，請先決定再簽署。")
    sign_off, is_new = SignOff.objects.get_or_create(
        campaign=campaign,
        agency=agency,
        defaults={
            "signed_by": by.username,
            "signed_by_name": by.name,
            "figures": figures,
            "digest": _digest(devices),
        },
    )
    if not is_new:
        raise NotPossible("本機關這個年度已經簽署過了。")
    trail.record(
        "sign_inventory",
        actor=by.username,
        agency=agency.code,
        subject=f"campaign:{campaign.pk}",
        year=campaign.year,
    )
    return sign_off


def figures_of(agency: Agency) -> dict[str, int]:
    """What the form and the dashboard say of an agency's inventory."""
    today = timezone.localdate()
    devices = Device.objects.filter(agency=agency).in_use()
    return {
        "in_use": devices.count(),
        "restricted": devices.restricted().count(),
        "undecided": devices.undecided(today).count(),
        "overdue": devices.overdue(today).count(),
    }


def _digest(devices: QuerySet[Device]) -> str:
    digest = hashlib.sha256()
    fields: list[Any] = ["asset_no", "kind", "brand", "model", "serial", "place", "network"]
    for values in devices.order_by("asset_no").values_list(*fields):
        digest.update("\x1f".join(map(str, values)).encode() + b"\x1e")
    return digest.hexdigest()


def form_of(sign_off: SignOff) -> bytes:
    """The signed-off form as PDF: who signed what, when, and the digest of the list."""
    figures = sign_off.figures
    page = paper.Paper(f"{sign_off.campaign.year} 年度管制設備盤點簽署表", sign_off.digest[:20])
    page.gap(6)
    page.line(f"機關：{sign_off.agency.name}（{sign_off.agency.code}）")
    page.line(f"簽署人：{sign_off.signed_by_name}（{sign_off.signed_by}）")
    page.line(f"簽署日期：{paper.long_date(timezone.localdate(sign_off.signed_at))}")
    page.gap(4)
    rows = [(words, str(figures[name])) for name, words in _FIGURES.items()]
    page.table(("項目", "數量"), rows, (120, 30), numbers=(1,), empty="")
    page.gap(4)
    page.line("本機關確認管制設備清冊完整；限制清單上的設備均已決定處置。")
    page.line(f"清冊摘要（SHA-256）：{sign_off.digest}", small=True)
    return page.as_pdf()


_FIGURES = {
    "in_use": "使用中的設備",
    "restricted": "限制清單上的設備",
    "overdue": "逾期未汰換的設備",
    "undecided": "尚未決定處置的設備",
}
