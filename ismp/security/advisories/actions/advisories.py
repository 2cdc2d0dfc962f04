"""資安情資: take in, publish to agencies, answer, follow up.

The chain holds both ways: advisory → devices it speaks of → the agency's answer → incident.
How one comes in from a file: `importing`.
"""

from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account, Agency, AgencyGrade
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import intelligence, verbs
from ismp.security.advisories import affected_devices
from ismp.security.advisories.actions import importing
from ismp.security.advisories.wording import edits_of
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.actions import handlers
from ismp.security.intelligence import Found
from ismp.security.models import (
    Address,
    Advisory,
    AgencyGroup,
    Answer,
    Device,
    Ended,
    Incident,
    Origin,
    Reply,
    Tlp,
)
from ismp.ui import verbs as ui_verbs
from ismp.ui.resources import versions
from ismp.ui.text import roc_dates


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
    # Of what the source says nothing goes back to what it was when the form was opened.
    written_here = [*_WRITTEN, "cve_words", "decided"]
    if advisory.origin == Origin.HAND:
        advisory.source_modified = intelligence.moment(timezone.now().isoformat())
        written_here.append("source_modified")
    advisory.save(update_fields=None if before is None else written_here)
    edits = edits_of(before, advisory)
    trail.record(verbs.SAVE_ADVISORY, advisory, actor=by.username, changes=edits)
    if edits and advisory.published_at:
        importing.tell(advisory, "情資已更正", edits)
    return advisory


_WRITTEN = ("title", "severity", "tlp", "source", "issued_on", "cves", "products", "body", "action")
"""What somebody may write; the form's fields."""


def _identify(advisory: Advisory) -> None:
    """Written by hand: a number of our own, and the id that it goes out with."""
    if not advisory.source_id:
        trail.hold()  # two that are written at once have two numbers
        advisory.source_id = f"{timezone.localdate():%Y%m%d}-{Advisory.objects.count() + 1:05}"
    advisory.stix_id = advisory.stix_id or intelligence.stix_id(Origin.HAND, advisory.source_id)


@transaction.atomic
def publish(
    advisory: Advisory,
    *,
    agencies: Iterable[Agency],
    due_on: date | None,
    without_due: bool = False,
    tlp: str = "",
    by: Account,
) -> Advisory:
    """Address it to agencies (more may follow later), who answer by a day; each is told.

    The day is the one given, else the one that stands in the advisory (of its file); one in the
    past is refused, and so is none unless `without_due`.  A published day does not move.  `tlp` is
    chosen where the source's marking cannot be read, and changes nothing elsewhere.
    """
    before = changes.stored(advisory)
    advisory = Advisory.objects.get(pk=advisory.pk)
    if advisory.ended:
        raise ActionRefused(f"「{advisory.title}」{advisory.get_ended_display()}，不能再發布。")
    if advisory.asks_for_tlp():
        _choose_tlp(advisory, tlp)
    addressed = set(advisory.addresses.filter(removed_at=None).values_list("agency", flat=True))
    new = [agency for agency in agencies if agency.pk not in addressed]
    if not new and not addressed:
        raise ActionRefused("請至少選擇一個機關。")
    if not new and due_on not in {None, advisory.due_on}:
        raise ActionRefused(f"「{advisory.title}」已經發布，期限不能在這裡改；請按「展延期限」。")
    due = _due_of(advisory, due_on, without_due=without_due)
    if advisory.published_at is None:
        advisory.due_on, advisory.published_at = due, timezone.now()
        advisory.save(update_fields=["due_on", "published_at", "tlp", "decided"])
    _address(advisory, new, due, by)
    notify(
        Account.objects.who_may(Right.EDIT_SECURITY).filter(agency__in=new),
        kind="advisory",
        subject=f"新情資待回覆：{advisory.name_in_notices}",
        link=advisory.get_absolute_url(),
    )
    trail.record(
        verbs.PUBLISH_ADVISORY,
        advisory,
        actor=by.username,
        count=len(new),
        changes=edits_of(before, advisory),
    )
    return advisory


def _address(advisory: Advisory, agencies: list[Agency], due: date | None, by: Account) -> None:
    """Address it to agencies that do not have it, or no longer have it."""
    former = advisory.addresses.filter(agency__in=agencies).exclude(removed_at=None)
    back = set(former.values_list("agency", flat=True))
    facts = {"due_on": due, "addressed_by": by.username}
    former.update(removed_at=None, removed_by="", removed_because="", **facts)
    Address.objects.bulk_create(
        Address(advisory=advisory, agency=agency, **facts)
        for agency in agencies
        if agency.pk not in back
    )


def agencies_by(
    *, group: AgencyGroup | None, grades: Iterable[str], advisory: Advisory | None
) -> QuerySet[Agency]:
    """The agencies of a group, those of some grades today, those that own a device of a brand that
    an advisory names; all of these together, but those that are no more."""
    found = Agency.objects.none()
    if group:
        found |= Agency.objects.filter(pk__in=group.agencies.values("pk"))
    if chosen := list(grades):
        held = AgencyGrade.objects.on(timezone.localdate()).filter(grade__in=chosen)
        found |= Agency.objects.filter(pk__in=held.values("agency"))
    if advisory:
        owners = affected_devices.hit_by(advisory, Device.objects.all()).order_by().values("agency")
        found |= Agency.objects.filter(pk__in=owners)
    return found.open()


def _choose_tlp(advisory: Advisory, tlp: str) -> None:
    if tlp not in Tlp.values or tlp == Tlp.UNKNOWN:
        raise ActionRefused(
            f"「{advisory.title}」的來源標記無法辨識，不能當成可以公開；請先選定 TLP 再發布。"
        )
    advisory.tlp, advisory.decided = tlp, sorted({*advisory.decided, "tlp"})


def _due_of(advisory: Advisory, due_on: date | None, *, without_due: bool) -> date | None:
    """The day by which those answer to whom it is published now.  Raises ActionRefused."""
    today, due = timezone.localdate(), due_on or advisory.due_on
    if due_on and due_on < today:
        raise ActionRefused("回覆期限不能早於今天，請更正。")
    if due and due < today:
        raise ActionRefused(
            f"「{advisory.title}」的期限 {roc_dates.roc_date(due)} 已經過了，請填寫新的回覆期限。"
        )
    if not due and not without_due:
        raise ActionRefused(
            f"「{advisory.title}」沒有回覆期限，機關就不會逾期，也不會被提醒；"
            "請填寫回覆期限，或勾選「不設回覆期限」。"
        )
    return due


@transaction.atomic
def extend(advisory: Advisory, *, due_on: date, reason: str, by: Account) -> Advisory:
    """展延: who has not answered has a later day and is told; the trail keeps the former one."""
    changes.stored(advisory)
    waiting = Address.objects.waiting().filter(advisory=advisory)
    if not waiting.exists():
        raise ActionRefused(f"「{advisory.title}」沒有等候回覆的機關，不必展延。")
    if due_on < timezone.localdate():
        raise ActionRefused("新的期限不能早於今天，請更正。")
    latest = max((one for one in waiting.values_list("due_on", flat=True) if one), default=None)
    if latest is not None and due_on <= latest:
        raise ActionRefused(f"新的期限要晚於目前的期限 {roc_dates.roc_date(latest)}，請更正。")
    agencies = list(waiting.values_list("agency", flat=True))
    waiting.update(due_on=due_on)
    notify(
        Account.objects.who_may(Right.EDIT_SECURITY).filter(agency__in=agencies),
        kind="advisory",
        subject=f"情資回覆期限展延到 {roc_dates.roc_date(due_on)}：{advisory.name_in_notices}",
        body=reason,
        link=advisory.get_absolute_url(),
    )
    former = latest.isoformat() if latest else ""
    trail.record(
        verbs.EXTEND_ADVISORY,
        advisory,
        actor=by.username,
        count=len(agencies),
        reason=national_id.hide(reason),
        changes=[("回覆期限", former, due_on.isoformat())],
    )
    return advisory


@transaction.atomic
def end(advisory: Advisory, kind: Ended, *, reason: str, by: Account) -> Advisory:
    """撤回 or 結案: nobody has to answer any more, and the agencies are told why.

    Answers stay; an advisory that its source took back can still be closed.
    """
    before = changes.stored(advisory)
    advisory = Advisory.objects.get(pk=advisory.pk)
    if advisory.published_at is None:
        raise ActionRefused(f"「{advisory.title}」還沒有發布，不必撤回或結案。")
    if advisory.ended in {Ended.WITHDRAWN, Ended.CLOSED}:
        raise ActionRefused(f"「{advisory.title}」{advisory.get_ended_display()}，不能再結束一次。")
    if not reason.strip():
        raise ActionRefused("請填寫理由，機關會看到。")
    advisory.ended, advisory.ended_because = kind, national_id.hide(reason.strip())
    advisory.ended_at, advisory.ended_by = timezone.now(), by.username
    advisory.save(update_fields=["ended", "ended_because", "ended_at", "ended_by"])
    importing.tell(advisory, f"情資{kind.label}，不必再回覆")
    trail.record(
        verbs.END_ADVISORY, advisory, actor=by.username, changes=edits_of(before, advisory)
    )
    return advisory


@transaction.atomic
def remove(address: Address, *, reason: str, by: Account) -> Address:
    """移除受文機關: it was addressed by mistake; what it answered stays, and it is told."""
    address = _hold(address)
    if address.removed_at:
        raise ActionRefused(f"{address.agency.name}已經移除了。")
    if not reason.strip():
        raise ActionRefused("請填寫移除的理由，機關會看到。")
    address.removed_at, address.removed_by = timezone.now(), by.username
    address.removed_because = national_id.hide(reason.strip())
    address.save(update_fields=["removed_at", "removed_by", "removed_because"])
    notify(
        handlers(address.agency),
        kind="advisory",
        subject=f"情資不再發布給本機關，不必回覆：{address.advisory.name_in_notices}",
        body=address.removed_because,
    )
    trail.record(
        verbs.REMOVE_ADDRESSEE,
        address,
        actor=by.username,
        reply=address.get_reply_display(),
        reason=address.removed_because,
    )
    return address


@transaction.atomic
def acknowledge(address: Address, *, on_behalf: str = "", by: Account) -> bool:
    """The agency has seen it; once is enough.  Somebody else's `on_behalf` says why.

    Returns whether nobody had acknowledged it before.
    """
    address = _hold(address)
    stead = separation.on_behalf_of(by, address.agency, on_behalf)
    if address.acknowledged_at:
        return False
    address.acknowledged_at, address.acknowledged_by = timezone.now(), by.username
    address.save(update_fields=["acknowledged_at", "acknowledged_by"])
    trail.record(
        verbs.ACKNOWLEDGE_ADVISORY,
        address,
        actor=by.username,
        reply=address.get_reply_display(),
        **stead,
    )
    return True


@transaction.atomic
def answer(
    address: Address, reply: Reply, *, evidence: str, on_behalf: str = "", by: Account
) -> Address:
    """受影響, 不受影響, 已處理完成; what is said needs evidence.  Former answers stay.

    Who published it to the agency does not answer it; somebody of another agency says why
    (`on_behalf`).  Raises ActionRefused.
    """
    stead = separation.on_behalf_of(by, address.agency, on_behalf)
    if reply == Reply.NONE:
        raise ActionRefused("請選擇回覆。")
    if not evidence.strip():
        raise ActionRefused("請填寫處理情形與佐證，例如盤點的方法與結果。")
    address = _hold(address)
    if address.removed_at:
        raise ActionRefused("這則情資已經不再發布給這個機關，不必回覆。")
    publishers = Account.objects.filter(username=address.addressed_by)
    separation.refuse_own(by, publishers, right=Right.EDIT_SECURITY, agency=address.agency)
    acknowledge(address, on_behalf=on_behalf, by=by)
    before, address = changes.stored(address), _hold(address)
    address.reply, address.evidence = reply, national_id.hide(evidence.strip())
    address.replied_at, address.replied_by = timezone.now(), by.username
    address.replied_on_behalf = stead.get("because", "")
    address.save(
        update_fields=["reply", "evidence", "replied_at", "replied_by", "replied_on_behalf"]
    )
    Answer.objects.create(
        address=address,
        reply=reply,
        evidence=address.evidence,
        by=by.username,
        by_name=by.name,
        on_behalf=address.replied_on_behalf,
    )
    edits = changes.between(before, address, "replied_at", "replied_by", "replied_on_behalf")
    trail.record(
        verbs.ANSWER_ADVISORY,
        address,
        actor=by.username,
        reply=address.get_reply_display(),
        changes=edits,
        **stead,
    )
    return address


@transaction.atomic
def attach(address: Address, incident: Incident, *, by: Account) -> Address:
    """The warning has become an incident of the same agency.  Raises ActionRefused."""
    address = _hold(address)
    _refuse_second(address)
    if incident.agency.successor_id != address.agency.successor_id:
        raise ActionRefused("這個事件不是本機關的，請重新選擇。")
    address.incident = incident
    address.save(update_fields=["incident"])
    trail.record(
        verbs.ATTACH_INCIDENT, address, actor=by.username, reply=address.get_reply_display()
    )
    return address


def _hold(address: Address) -> Address:
    """As it is now, locked until the transaction ends."""
    versions.hold(Address.objects.all(), [address.pk])
    return Address.objects.select_related("advisory", "agency").get(pk=address.pk)


def hold_agencies(addresses: list[int]) -> None:
    """Hold the agencies of addresses (by their keys) before these: a merger does so too."""
    agencies = Address.objects.filter(pk__in=addresses).values_list("agency", flat=True)
    versions.hold(Agency.objects.all(), agencies)


def _refuse_second(address: Address) -> None:
    if address.incident:
        number = address.incident.number
        raise ActionRefused(f"這則情資已經轉為資安事件 {number}，不必再建立；請重新整理這一頁。")


@transaction.atomic
def to_incident(addresses: Iterable[Address], *, by: Account) -> HttpResponse:
    """The warning turned out true: a draft of an incident, tied to it, to go on with.

    Raises ActionRefused; the second of two finds the first one's incident.
    """
    [address] = addresses
    hold_agencies([address.pk])
    address = _hold(address)
    _refuse_second(address)
    if address.agency_id != by.agency_id:
        raise ActionRefused("只能為自己的機關建立事件。")
    incident = incident_actions.open_incident(
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
    whole = Advisory.objects.filter(pk__in=[one.pk for one in chosen]).order_by("-pk")
    text = intelligence.as_bundle(map(as_found, whole))
    headers = {"Content-Disposition": 'attachment; filename="advisories.stix.json"'}
    trail.record(ui_verbs.EXPORT_LIST, actor=by.username, module="資安情資", format="STIX 2.1")
    return HttpResponse(text, content_type="application/stix+json;version=2.1", headers=headers)


def standing(advisory: Advisory, today: date) -> dict[str, int]:
    """How many agencies have it, have seen it, have answered what, and are late."""
    late = Q(reply=Reply.NONE, due_on__lt=today, advisory__ended="")
    counts = {reply.value: Count("pk", filter=Q(reply=reply)) for reply in Reply}
    seen = Count("pk", filter=~Q(acknowledged_at=None))
    return advisory.addresses.filter(removed_at=None).aggregate(
        total=Count("pk"), seen=seen, late=Count("pk", filter=late), **counts
    )


def as_found(advisory: Advisory) -> Found:
    """Fields of an advisory that a file carries."""
    given = {column: getattr(advisory, column) for column in Advisory.FROM_SOURCE}
    return Found(
        origin=advisory.origin,
        source_id=advisory.source_id,
        stix_id=advisory.stix_id,
        modified=advisory.source_modified,
        parts_modified=advisory.parts_modified,
        stix=advisory.stix,
        **given,
    )
