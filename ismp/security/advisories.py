"""資安情資: take in, publish to agencies, answer, follow up.

The chain holds both ways: advisory → devices it speaks of → the agency's answer → incident.
How one comes in from a file: `advisory_import`.
"""

from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.audit.trail import NotPossible
from ismp.notices.actions import notify
from ismp.security import advisory_import, incidents, intelligence, products
from ismp.security.advisory_words import edits_of
from ismp.security.incidents import handlers
from ismp.security.intelligence import Found
from ismp.security.models import Address, Advisory, Device, Incident, Origin, Reply
from ismp.ui import roc


@transaction.atomic
def save(advisory: Advisory, *, by: Account) -> Advisory:
    """Write an advisory by hand, or correct one; what is written here no import writes over.

    The agencies that have it are told of a correction.
    """
    before = changes.stored(advisory)
    for column in ("title", "body", "action"):
        setattr(advisory, column, national_id.hide(getattr(advisory, column)))
    if before is None:
        advisory.created_by = advisory.created_by or by.username
        _identify(advisory)
    else:
        written = {name for name in _WRITTEN if getattr(before, name) != getattr(advisory, name)}
        advisory.decided = sorted({*before.decided, *written})
    if advisory.origin == Origin.HAND:
        advisory.source_modified = intelligence.moment(timezone.now().isoformat())
    advisory.save()
    edits = edits_of(before, advisory)
    subject = f"advisory:{advisory.pk}"
    trail.record("save_advisory", actor=by.username, subject=subject, changes=edits)
    if edits and advisory.published_at:
        advisory_import.tell(advisory, edits, "情資已更正")
    return advisory


_WRITTEN = frozenset(Advisory.FROM_SOURCE)


def _identify(advisory: Advisory) -> None:
    """Written by hand: a number of our own, and the id that it goes out with."""
    if not advisory.source_id:
        advisory.source_id = f"{timezone.localdate():%Y%m%d}-{Advisory.objects.count() + 1:05}"
    advisory.stix_id = advisory.stix_id or intelligence.stix_id(Origin.HAND, advisory.source_id)


@transaction.atomic
def publish(
    advisory: Advisory,
    *,
    agencies: Iterable[Agency],
    due_on: date | None,
    without_due: bool = False,
    by: Account,
) -> Advisory:
    """Address it to agencies (more may follow later), who answer by a day; each is told.

    The day is the one given, else the one that stands in the advisory (of its file); one in the
    past is refused, and so is none unless `without_due`.  A published day does not move.
    """
    before = changes.stored(advisory)
    advisory = Advisory.objects.get(pk=advisory.pk)
    addressed = set(advisory.addresses.values_list("agency", flat=True))
    new = [agency for agency in agencies if agency.pk not in addressed]
    if not new and not addressed:
        raise NotPossible("請至少選擇一個機關。")
    if not new and due_on not in {None, advisory.due_on}:
        raise NotPossible(f"「{advisory.title}」已經發布，期限不能在這裡改；請按「展延期限」。")
    due = _due_of(advisory, due_on, without_due=without_due)
    if advisory.published_at is None:
        advisory.due_on, advisory.published_at = due, timezone.now()
        advisory.save(update_fields=["due_on", "published_at"])
    Address.objects.bulk_create(
        Address(advisory=advisory, agency=agency, due_on=due) for agency in new
    )
    for agency in new:
        notify(
            handlers(agency),
            kind="advisory",
            subject=f"新情資待回覆：{advisory.title}",
            link=advisory.get_absolute_url(),
        )
    trail.record(
        "publish_advisory",
        actor=by.username,
        subject=f"advisory:{advisory.pk}",
        count=len(new),
        changes=edits_of(before, advisory),
    )
    return advisory


def _due_of(advisory: Advisory, due_on: date | None, *, without_due: bool) -> date | None:
    """The day by which those answer to whom it is published now.  Raises NotPossible."""
    today, due = timezone.localdate(), due_on or advisory.due_on
    if due_on and due_on < today:
        raise NotPossible("回覆期限不能早於今天，請更正。")
    if due and due < today:
        raise NotPossible(
            f"「{advisory.title}」的期限 {roc.roc_date(due)} 已經過了，請填寫新的回覆期限。"
        )
    if not due and not without_due:
        raise NotPossible(
            f"「{advisory.title}」沒有回覆期限，機關就不會逾期，也不會被提醒；"
            "請填寫回覆期限，或勾選「不設回覆期限」。"
        )
    return due


@transaction.atomic
def extend(advisory: Advisory, *, due_on: date, reason: str, by: Account) -> Advisory:
    """展延: who has not answered has a later day and is told; the trail keeps the former one."""
    changes.stored(advisory)
    waiting = Address.objects.filter(advisory=advisory, reply=Reply.NONE)
    if not waiting.exists():
        raise NotPossible(f"「{advisory.title}」沒有等候回覆的機關，不必展延。")
    if due_on < timezone.localdate():
        raise NotPossible("新的期限不能早於今天，請更正。")
    latest = max((one for one in waiting.values_list("due_on", flat=True) if one), default=None)
    if latest is not None and due_on <= latest:
        raise NotPossible(f"新的期限要晚於目前的期限 {roc.roc_date(latest)}，請更正。")
    agencies = list(waiting.values_list("agency", flat=True))
    waiting.update(due_on=due_on)
    notify(
        Account.objects.who_may(Right.EDIT_SECURITY).filter(agency__in=agencies),
        kind="advisory",
        subject=f"情資回覆期限展延到 {roc.roc_date(due_on)}：{advisory.title}",
        body=reason,
        link=advisory.get_absolute_url(),
    )
    former = latest.isoformat() if latest else ""
    trail.record(
        "extend_advisory",
        actor=by.username,
        subject=f"advisory:{advisory.pk}",
        count=len(agencies),
        reason=national_id.hide(reason),
        changes=[("回覆期限", former, due_on.isoformat())],
    )
    return advisory


@transaction.atomic
def acknowledge(address: Address, *, by: Account) -> Address:
    """The agency has seen it; once is enough."""
    if address.acknowledged_at is None:
        address.acknowledged_at, address.acknowledged_by = timezone.now(), by.username
        address.save(update_fields=["acknowledged_at", "acknowledged_by"])
        _record(address, "acknowledge_advisory", by)
    return address


@transaction.atomic
def answer(address: Address, reply: Reply, *, evidence: str, by: Account) -> Address:
    """受影響, 不受影響, 已處理完成; what is said needs evidence."""
    if reply == Reply.NONE:
        raise NotPossible("請選擇回覆。")
    if not evidence.strip():
        raise NotPossible("請填寫處理情形與佐證，例如盤點的方法與結果。")
    acknowledge(address, by=by)
    address.reply, address.evidence = reply, national_id.hide(evidence)
    address.replied_at, address.replied_by = timezone.now(), by.username
    address.save(update_fields=["reply", "evidence", "replied_at", "replied_by"])
    _record(address, "answer_advisory", by)
    return address


@transaction.atomic
def attach(address: Address, incident: Incident, *, by: Account) -> Address:
    """The warning has become an incident of the same agency."""
    if incident.agency_id != address.agency_id:
        raise NotPossible("這個事件不是本機關的，請重新選擇。")
    address.incident = incident
    address.save(update_fields=["incident"])
    _record(address, "attach_incident", by)
    return address


def to_incident(addresses: Iterable[Address], *, by: Account) -> HttpResponse:
    """The warning turned out true: a draft of an incident, tied to it, to go on with."""
    [address] = addresses
    if address.agency_id != by.agency_id:
        raise NotPossible("只能為自己的機關建立事件。")
    incident = incidents.open_incident(
        agency=address.agency,
        title=address.advisory.title[:200],
        description=f"來自情資：{address.advisory.title}",
        answers={},
        known_at=timezone.now(),
        by=by,
    )
    attach(address, incident, by=by)
    return redirect(incident)


def export(chosen: Iterable[Advisory], *, by: Account) -> HttpResponse:
    """A STIX 2.1 bundle of the chosen advisories."""
    text = intelligence.as_bundle(map(as_found, chosen))
    headers = {"Content-Disposition": 'attachment; filename="advisories.stix.json"'}
    trail.record("export_list", actor=by.username, module="資安情資", format="STIX 2.1")
    return HttpResponse(text, content_type="application/stix+json;version=2.1", headers=headers)


def naming(device: Device, found: QuerySet[Advisory]) -> list[Advisory]:
    """The advisories that speak of a device's brand."""
    published = found.exclude(published_at=None)
    return [one for one in published if products.match([(device.brand, "")], _vendors(one))]


def _vendors(advisory: Advisory) -> dict[int, tuple[str, str]]:
    """Patterns (see `products.match`) for the vendors that an advisory names."""
    named = (one["vendor"] for one in advisory.products)
    return {number: (vendor, "") for number, vendor in enumerate(named) if vendor}


def _record(address: Address, verb: str, by: Account) -> None:
    trail.record(
        verb,
        actor=by.username,
        agency=address.agency.code,
        subject=f"advisory:{address.advisory_id}",
        reply=address.get_reply_display(),
    )


def standing(advisory: Advisory, today: date) -> dict[str, int]:
    """How many agencies have it, have seen it, have answered what, and are late."""
    late = Q(reply=Reply.NONE) & Q(due_on__lt=today)
    counts = {reply.value: Count("pk", filter=Q(reply=reply)) for reply in Reply}
    seen = Count("pk", filter=~Q(acknowledged_at=None))
    return advisory.addresses.aggregate(
        total=Count("pk"), seen=seen, late=Count("pk", filter=late), **counts
    )


def devices_of(advisory: Advisory, devices: QuerySet[Device]) -> list[tuple[Device, bool]]:
    """The devices in use of the brands that it names, and whether the product fits too."""
    in_use = Device.objects.filter(pk__in=devices.values("pk")).in_use()
    brands = in_use.order_by().values_list("brand", flat=True).distinct()
    found = products.match(((brand, "") for brand in brands), _vendors(advisory))
    names = [products.fold(one["product"]) for one in advisory.products if one["product"]]
    hit = in_use.filter(brand__in=[brand for brand, _ in found]).select_related("agency")
    return [(device, _fits(products.fold(device.model), names)) for device in hit]


def _fits(model: str, names: list[str]) -> bool:
    return bool(model) and any(model in name or name in model for name in names)


def as_found(advisory: Advisory) -> Found:
    """What of an advisory a file carries."""
    names = [name for name in Found.__dataclass_fields__ if name != "modified"]
    given = {name: getattr(advisory, name) for name in names}
    return Found(modified=advisory.source_modified, **given)
