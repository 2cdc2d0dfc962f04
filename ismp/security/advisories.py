"""資安情資: take in, publish to agencies, answer, follow up.

The chain holds both ways: advisory → devices it speaks of → the agency's answer → incident.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.notices.actions import notify
from ismp.security import incidents, intelligence, products
from ismp.security.incidents import handlers
from ismp.security.intelligence import Found
from ismp.security.models import Address, Advisory, Device, Incident, Reply


@dataclass(frozen=True)
class Taken:
    """What a file brought: advisories that are new, changed since, and as they were."""

    created: int
    updated: int
    unchanged: int


@transaction.atomic
def take_in(data: bytes, *, by: Account) -> Taken:
    """Import a file (STIX 2.1, CVE JSON 5, KEV) as drafts; one of a source's is kept once.

    What a published one says anew is changed in place, and agencies that answered keep their
    answer.  Raises intelligence.IntelligenceRefused, nothing taken.
    """
    found = {(one.source, one.source_id): one for one in intelligence.read(data)}
    held = {
        (one.source, one.source_id): one
        for one in Advisory.objects.filter(source__in={source for source, _ in found})
    }
    created, updated = [], 0
    for key, one in found.items():
        advisory = held.get(key)
        if advisory is None:
            created.append(Advisory(created_by=by.username, **_columns(one)))
        elif advisory.source_modified != one.modified:
            for name, value in _columns(one).items():
                setattr(advisory, name, value)
            advisory.save()
            updated += 1
    Advisory.objects.bulk_create(created, batch_size=500)
    taken = Taken(len(created), updated, len(found) - len(created) - updated)
    trail.record("take_in_advisories", actor=by.username, **asdict(taken))
    return taken


def _columns(one: Found) -> dict[str, object]:
    columns = {**asdict(one), "source_modified": one.modified}
    del columns["modified"]
    return columns


@transaction.atomic
def save(advisory: Advisory, *, by: Account) -> Advisory:
    """Write an advisory by hand, or correct one."""
    if not advisory.source_id:
        advisory.source_id = f"{timezone.localdate():%Y%m%d}-{Advisory.objects.count() + 1:05}"
    advisory.title = national_id.hide(advisory.title)
    advisory.body = national_id.hide(advisory.body)
    advisory.action = national_id.hide(advisory.action)
    advisory.created_by = advisory.created_by or by.username
    advisory.save()
    trail.record("save_advisory", actor=by.username, subject=f"advisory:{advisory.pk}")
    return advisory


@transaction.atomic
def publish(
    advisory: Advisory, *, agencies: Iterable[Agency], due_on: date | None, by: Account
) -> Advisory:
    """Address it to agencies (more may follow later), who answer by a day; each is told."""
    if due_on and due_on < timezone.localdate():
        raise NotPossible("回覆期限不能早於今天，請更正。")
    addressed = set(advisory.addresses.values_list("agency", flat=True))
    new = [agency for agency in agencies if agency.pk not in addressed]
    if not new and not addressed:
        raise NotPossible("請至少選擇一個機關。")
    Address.objects.bulk_create([Address(advisory=advisory, agency=agency) for agency in new])
    advisory.due_on = due_on or advisory.due_on
    advisory.published_at = advisory.published_at or timezone.now()
    advisory.save(update_fields=["due_on", "published_at"])
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


def products_in_words(advisory: Advisory) -> str:
    """One product a line: vendor, product, versions."""
    parts = ((one["vendor"], one["product"], one["versions"]) for one in advisory.products)
    return "\n".join(" ".join(filter(None, part)) for part in parts)


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
    late = Q(reply=Reply.NONE) & Q(advisory__due_on__lt=today)
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
