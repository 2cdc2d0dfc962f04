"""管制設備: actions on the inventory, the list of restricted products, decisions, the yearly check.

What falls under the list is worked out at once for all devices concerned and kept on the device;
each hit then asks for a decision.
"""

import csv
import hashlib
import io
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from ismp.accounts import national_id, separation
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.applications.actions.delegating import refuse_past_days
from ismp.audit import changes, trail
from ismp.audit.changes import Change
from ismp.audit.verbs import Verb
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.devices import product_matching
from ismp.security.devices.inventory import Inventory
from ismp.security.incidents.actions import handlers, reviewers
from ismp.security.models import (
    Campaign,
    Decision,
    Device,
    RestrictedProduct,
    SecurityOfficer,
    SignOff,
    asset_key,
    signing_agencies,
)
from ismp.ui.exports import pdf
from ismp.ui.exports.cells import Cell, unguarded
from ismp.ui.exports.csv import csv_lines
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key, one_line

_BATCH = 5_000
_UPDATED_AT_ONCE = 200


_LIST_LOCK = 0x4C495354
"""Of `pg_advisory_xact_lock`: the list of restricted products beside what falls under it."""


def _hold_list(*, to_change: bool) -> None:
    """Let nobody change the list, or with `to_change` match devices either, until the transaction
    ends: each would match by what the other one has not stored yet.

    SQLite has one writer at a time anyhow.
    """
    if connection.vendor == "postgresql":
        kind = "" if to_change else "_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock{kind}(%s)", [_LIST_LOCK])


def match(devices: QuerySet[Device], today: date | None = None) -> int:
    """Note on each of these devices what it falls under; return how many changed.

    Call `_hold_list` before the devices, or the list, are written.
    """
    today = today or timezone.localdate()
    listed = RestrictedProduct.objects.filter(issued_on__lte=today).exclude(ended_on__lt=today)
    patterns = {one.pk: (one.brand, one.model) for one in listed}
    held = list(devices.order_by().values_list("pk", "brand", "model", "restriction"))
    found = product_matching.match(((brand, model) for _, brand, model, _ in held), patterns)
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
    """Add a device, or store what was changed on it; see at once whether it is restricted.

    Raises ActionRefused when it moves a day that was decided.
    """
    _hold_list(to_change=False)
    before = changes.stored(device)
    if before is not None:
        _refuse_moved_days(before, device)
    changes.store(device, before, "asset_key")
    match(Device.objects.filter(pk=device.pk))
    device.refresh_from_db()
    trail.record(
        verbs.SAVE_DEVICE,
        device,
        actor=by.username,
        new=before is None,
        restricted=device.restriction_id is not None,
        changes=changes.between(before, device, "asset_key"),
    )
    return device


def _refuse_moved_days(before: Device, device: Device) -> None:
    decided = _decided_days([device.pk]).get(device.pk)
    if decided and device.retire_by != before.retire_by:
        raise ActionRefused(
            f"這項設備已經決定在 {roc_dates.roc_date(decided)} 前汰換，預計汰換日期不能在這裡改；"
            "要改期限，請按「限期汰換」重新決定。"
        )
    if _is_bought_too_late(device, device.bought_on):
        day = roc_dates.roc_date(device.retired_on)
        raise ActionRefused(f"這項設備在 {day} 汰換，購置日期不能比它晚；請更正購置日期。")


def _is_bought_too_late(device: Device, bought_on: Any) -> bool:
    """Whether a device would have been bought after it was retired."""
    return bool(device.retired_on and bought_on and bought_on > device.retired_on)


def _decided_days(devices: Iterable[int] | QuerySet[Device]) -> dict[int, date]:
    """Return {device: day} of those for which 限期汰換 is the decision that stands."""
    standing = Decision.objects.standing().filter(kind=Decision.Kind.RETIRE, device__in=devices)
    decided = standing.order_by().values_list("device", "retire_by")
    return {device: day for device, day in decided if day}


@dataclass(frozen=True)
class Row:
    """The effect of an inventory row on its device; `words` describe it to a reader."""

    line: int
    outcome: str
    """created | updated | unchanged."""
    words: str
    device: Device
    changed: tuple[str, ...] = ()
    """Names of the fields that the row changes."""
    changes: list[Change] = field(default_factory=list)


@transaction.atomic
def import_devices(found: Inventory, *, agency: Agency, of: str = "", by: Account) -> list[Row]:
    """Bring the inventory of an agency in line with a file; devices not in it stay.

    What the file has no column for stays, and so does the day that was decided for a device.  Each
    device that is added or changed has an event of its own, so that its 異動紀錄 is whole, and the
    file one, which is about `of`.
    """
    _hold_list(to_change=False)
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    held = {device.asset_key: device for device in Device.objects.filter(agency=agency)}
    decided = _decided_days(Device.objects.filter(agency=agency))
    rows = [_row(line, entry, held, decided, agency) for line, entry in found.entries.items()]
    of_outcome = {
        outcome: [row for row in rows if row.outcome == outcome]
        for outcome in ("created", "updated", "unchanged")
    }
    created = [row.device for row in of_outcome["created"]]
    Device.objects.bulk_create(created, batch_size=_BATCH)
    updated = [row.device for row in of_outcome["updated"]]
    if columns := sorted({name for row in of_outcome["updated"] for name in row.changed}):
        Device.objects.bulk_update(updated, columns, batch_size=_UPDATED_AT_ONCE)
    match(Device.objects.filter(agency=agency).in_use())
    entries = [
        trail.about(
            verbs.SAVE_DEVICE,
            row.device,
            agency=agency.code,
            run=of,
            new=row.outcome == "created",
            changes=row.changes,
        )
        for row in rows
        if row.outcome != "unchanged"
    ]
    trail.record_many(entries, actor=by.username)
    trail.record(
        verbs.TAKE_IN_DEVICES,
        actor=by.username,
        agency=agency.code,
        subject=of,
        **{outcome: len(some) for outcome, some in of_outcome.items()},
        rejected=len(found.faults),
    )
    return rows


def _row(
    line: int,
    entry: dict[str, object],
    held: dict[str, Device],
    decided: dict[int, date],
    agency: Agency,
) -> Row:
    device = held.get(asset_key(str(entry["asset_no"])))
    if device is None:
        return Row(line, "created", "", Device(agency=agency, **entry))
    entry = {name: value for name, value in entry.items() if name != "asset_no"}
    also = ""
    if device.pk in decided and "retire_by" in entry:
        also = _beside_what_was_decided(entry, decided[device.pk])
    if _is_bought_too_late(device, entry.get("bought_on")):
        del entry["bought_on"]
        late = f"已在 {roc_dates.roc_date(device.retired_on)} 汰換，檔案寫的購置日期比它晚，不採用"
        also = "；".join(filter(None, (also, late)))
    changed = tuple(name for name in entry if _differs(getattr(device, name), entry[name]))
    if not changed:
        return Row(line, "unchanged", also, device)
    told, words = [], []
    for name in changed:
        one: Any = Device._meta.get_field(name)
        before, was = changes.display(device, one), _in_words(device, name)
        setattr(device, name, entry[name])
        told.append((str(one.verbose_name), before, changes.display(device, one)))
        words.append(f"{one.verbose_name}「{was}」改為「{_in_words(device, name)}」")
    words += [also] if also else []
    return Row(line, "updated", "；".join(words), device, changed, told)


def _beside_what_was_decided(entry: dict[str, object], decided: date) -> str:
    """Keep the decided day; note beside it what the file says, and return that in words."""
    day: Any = entry.pop("retire_by")
    entry["retire_by_in_file"] = day if day != decided else None
    if day == decided:
        return ""
    written = f"檔案寫的 {roc_dates.roc_date(day)} " if day else "檔案的空白"
    return f"已決定在 {roc_dates.roc_date(decided)} 前汰換，{written}不採用"


def _differs(stored: object, written: object) -> bool:
    """Whether a file says something else; what nobody sees is no difference."""
    if isinstance(stored, str) and isinstance(written, str):
        return stored != written and one_line(stored) != one_line(written)
    return stored != written


def _in_words(device: Device, name: str) -> str:
    """The value of a field as the file writes it."""
    label = getattr(device, f"get_{name}_display", None)
    value = label() if label else getattr(device, name)
    return (
        roc_dates.roc_date(value)
        if isinstance(value, date)
        else ""
        if value is None
        else str(value)
    )


@transaction.atomic
def retire(devices: QuerySet[Device], *, on: date, by: Account) -> int:
    """登錄汰換: the devices are no longer in use from a day on; return how many.

    The day lies behind us and not before the purchase.  Raises ActionRefused.
    """
    if on > timezone.localdate():
        raise ActionRefused(
            "汰換日期不能晚於今天；還沒汰換的，請按「限期汰換」或在「編輯」填預計汰換日期。"
        )
    chosen = list(_held(devices).in_use())
    for device in chosen:
        if device.bought_on and on < device.bought_on:
            day = roc_dates.roc_date(device.bought_on)
            raise ActionRefused(f"{device}在 {day} 購置，汰換日期不能比它早，請更正。")
    waiting = Decision.objects.filter(device__in=chosen, state=Decision.State.PENDING)
    waiting.update(state=Decision.State.WITHDRAWN, comment="設備已經汰換。")
    _set_retired_on(chosen, on, verb=verbs.RETIRE_DEVICES, by=by)
    return len(chosen)


@transaction.atomic
def unretire(devices: QuerySet[Device], *, reason: str, by: Account) -> int:
    """取消汰換: the devices are in use after all; return how many.  Raises ActionRefused."""
    if not reason.strip():
        raise ActionRefused("請填寫取消汰換的理由。")
    _hold_list(to_change=False)
    chosen = list(_held(devices).exclude(retired_on=None))
    _set_retired_on(
        chosen, None, verb=verbs.UNRETIRE_DEVICES, by=by, reason=national_id.hide(reason)
    )
    match(Device.objects.filter(pk__in=[one.pk for one in chosen]))
    return len(chosen)


def _held(devices: QuerySet[Device]) -> Any:
    """The devices, locked until the action is done."""
    chosen = Device.objects.filter(pk__in=devices.order_by().values("pk")).order_by("pk")
    return chosen.select_for_update(of=("self",)).select_related("agency")


def _set_retired_on(
    devices: list[Device], on: date | None, *, verb: Verb, by: Account, **detail: str
) -> None:
    """Store it, with an event for each device."""
    entries = []
    for device in devices:
        before = changes.as_text(device.retired_on)
        change = (str(_RETIRED_ON.verbose_name), before, changes.as_text(on))
        entries.append(trail.about(verb, device, **detail, changes=[change]))
        device.retired_on = on
    Device.objects.filter(pk__in=[one.pk for one in devices]).update(retired_on=on)
    trail.record_many(entries, actor=by.username)


_RETIRED_ON: Any = Device._meta.get_field("retired_on")


def refuse_everything(brand: str, model: str) -> None:
    """Refuse a pattern that would find every device: nothing but `*`, spaces and dashes.

    Raises ActionRefused.
    """
    if not product_matching.fold(brand + model).replace("*", ""):
        raise ActionRefused("廠牌不能只有 * 或符號，否則所有的設備都會列入；請填廠牌的名稱。")


@transaction.atomic
def save_product(product: RestrictedProduct, *, by: Account) -> RestrictedProduct:
    """Add a line to the list, or correct one; devices everywhere are looked at anew.

    Raises ActionRefused for a pattern that would find every device, and for a day that cannot be.
    """
    refuse_everything(product.brand, product.model)
    if product.issued_on > timezone.localdate():
        raise ActionRefused("發文日期不能晚於今天，請更正。")
    if product.ended_on and product.issued_on > product.ended_on:
        raise ActionRefused(
            f"這項產品在 {roc_dates.roc_date(product.ended_on)} 解除，發文日期不能比它晚；請更正，"
            "或以新的來源函號新增。"
        )
    _hold_list(to_change=True)
    before = changes.stored(product)
    changes.store(product, before)
    _match_all()
    trail.record(
        verbs.SAVE_PRODUCT, product, actor=by.username, changes=changes.between(before, product)
    )
    return product


@transaction.atomic
def restrict(listed: Iterable[RestrictedProduct], *, by: Account) -> int:
    """Add products to the list (again: nothing changes); return how many devices it newly hits.

    Agencies that have such devices are told.  Raises ActionRefused.
    """
    listed = list(listed)
    for product in listed:
        refuse_everything(product.brand, product.model)
    _hold_list(to_change=True)
    RestrictedProduct.objects.bulk_create(listed, ignore_conflicts=True)
    changed = _match_all()
    trail.record(verbs.RESTRICT_PRODUCTS, actor=by.username, count=changed)
    return changed


def product_key(product: RestrictedProduct) -> tuple[str, str, str]:
    """The key of a line of the list."""
    return (key(product.brand), key(product.model), key(product.letter))


@transaction.atomic
def import_products(
    listed: dict[int, RestrictedProduct], *, rejected: int = 0, of: str = "", by: Account
) -> list[tuple[int, str, str]]:
    """Bring the list in line with a file of so many good rows by line; what is not in it stays.

    Only the day of the letter is corrected; what was lifted stays as it is.  Return (line,
    outcome, words) of each row.  Agencies that have such devices are told.
    """
    _hold_list(to_change=True)
    held = {product_key(one): one for one in RestrictedProduct.objects.select_for_update()}
    rows, new, corrected = [], [], []
    for line, product in listed.items():
        known = held.get(product_key(product))
        if known is None:
            new.append(product)
            rows.append((line, "created", ""))
            continue
        if known.ended_on or known.issued_on == product.issued_on:
            also = "已解除，不因匯入而恢復或變更" if known.ended_on else ""
            rows.append((line, "unchanged", also))
            continue
        days = [roc_dates.roc_date(known.issued_on), roc_dates.roc_date(product.issued_on)]
        rows.append((line, "updated", f"發文日期「{days[0]}」改為「{days[1]}」"))
        change = ("發文日期", known.issued_on.isoformat(), product.issued_on.isoformat())
        known.issued_on = product.issued_on
        corrected.append((known, change))
    RestrictedProduct.objects.bulk_create(new, batch_size=_BATCH)
    RestrictedProduct.objects.bulk_update([one for one, _ in corrected], ["issued_on"], _BATCH)
    changed = _match_all()
    told: list[tuple[RestrictedProduct, list[Change]]] = [(one, []) for one in new]
    told += [(one, [change]) for one, change in corrected]
    entries = [
        trail.about(verbs.SAVE_PRODUCT, one, run=of, new=not changes, changes=changes)
        for one, changes in told
    ]
    trail.record_many(entries, actor=by.username)
    outcomes = Counter(outcome for _, outcome, _ in rows)
    counts = {name: outcomes[name] for name in ("created", "updated", "unchanged")}
    trail.record(
        verbs.TAKE_IN_PRODUCTS,
        actor=by.username,
        agency=by.agency.code,
        subject=of,
        rejected=rejected,
        count=changed,
        **counts,
    )
    return rows


@transaction.atomic
def lift(product: RestrictedProduct, *, on: date, by: Account) -> int:
    """The authority no longer restricts a product after a day.  Raises ActionRefused."""
    _hold_list(to_change=True)
    before = changes.stored(product)
    if on < product.issued_on:
        raise ActionRefused("解除日期不能早於發文日期，請更正。")
    product.ended_on = on
    product.save(update_fields=["ended_on"])
    changed = _match_all()
    trail.record(
        verbs.LIFT_PRODUCT, product, actor=by.username, changes=changes.between(before, product)
    )
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
    if officer and (told := officer.on_duty(but=by)):
        asked, link = told, reverse("security:exception", args=[decision.pk])
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


@transaction.atomic
def open_campaign(*, year: int, due_on: date, by: Account) -> Campaign:
    """Begin the yearly inventory; every agency's handlers are told.  Raises ActionRefused."""
    _refuse_senseless(year, due_on)
    campaign, is_new = Campaign.objects.get_or_create(
        year=year, defaults={"due_on": due_on, "opened_by": by.username}
    )
    if not is_new:
        raise ActionRefused(f"{year} 年度的盤點已經開始了。")
    _tell_agencies(f"{year} 年度管制設備盤點開始，請確認清冊並簽署")
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


def _tell_agencies(subject: str, link: str = "/manage/campaigns/") -> None:
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
        _tell_agencies(
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
    _tell_agencies(f"{campaign.year} 年度管制設備盤點的期限展延到 {roc_dates.roc_date(due_on)}")
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
    figures, listing = _as_it_stands(agency)
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


def _as_it_stands(agency: Agency) -> tuple[dict[str, int], bytes]:
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
                *(_in_words(device, name) for _, name in _LISTED),
                str(device.restriction or ""),
                _in_short(device.decided_kind, device.decided_day) if is_restricted else "",
            ]

    head = [*(title for title, _ in _LISTED), "限制清單", "處置"]
    listing = b"".join(csv_lines(head, lines()))
    return figures, listing


def _in_short(kind: str | None, day: date | None) -> str:
    return f"{Decision.Kind(kind).label}（{roc_dates.roc_date(day)}）" if kind else ""


def list_of(sign_off: SignOff) -> bytes:
    """The list that was signed, as a CSV; its SHA-256 is the digest of the form."""
    return zlib.decompress(sign_off.listing) if sign_off.listing else b""


_ON_PAPER = 2_000
"""So many devices stand on the form itself; setting 100,000 lines takes minutes, and nobody reads
them on paper.  Of more, the form has those on the list, and the CSV has all."""


def form_of(sign_off: SignOff) -> bytes:
    """The signed-off form as PDF: who signed what, when, the list, and its digest."""
    figures = sign_off.figures
    page = pdf.Paper(f"{sign_off.campaign.year} 年度管制設備盤點簽署表", sign_off.digest[:20])
    page.gap(6)
    if sign_off.withdrawn_at:
        day = pdf.long_date(timezone.localdate(sign_off.withdrawn_at))
        page.line(
            f"已撤回：{day}由{sign_off.withdrawn_by_name}撤回，理由：{sign_off.withdrawn_for}"
        )
    called = sign_off.agency.name_on(timezone.localdate(sign_off.signed_at))
    page.line(f"機關：{called}（{sign_off.agency.code}）")
    page.line(f"簽署人：{sign_off.signed_by_name}（{sign_off.signed_by}）")
    page.line(f"簽署日期：{pdf.long_date(timezone.localdate(sign_off.signed_at))}")
    page.gap(4)
    rows = [(words, str(figures[name])) for name, words in _FIGURES.items()]
    page.table(("項目", "數量"), rows, (120, 30), numbers=(1,), empty="")
    page.gap(4)
    page.line("本機關確認管制設備清冊完整；限制清單上的設備均已決定處置。")
    page.line(f"清冊（CSV）摘要（SHA-256）：{sign_off.digest}", small=True)
    _list_on(page, list_of(sign_off))
    return page.as_pdf()


def _list_on(page: pdf.Paper, listing: bytes) -> None:
    found = list(csv.DictReader(io.StringIO(listing.decode("utf-8-sig"), newline="")))
    if not found:
        return
    shown = found if len(found) <= _ON_PAPER else [one for one in found if one["限制清單"]]
    page.gap(6)
    if len(shown) < len(found):
        page.line(f"清冊共 {len(found):,} 項，以下是限制清單上的 {len(shown):,} 項；全部見 CSV。")
        shown = shown[:_ON_PAPER]
    else:
        page.line(f"清冊（{len(found):,} 項）")
    rows = [[unguarded(one[title]) for title in _PRINTED] for one in shown]
    page.table(tuple(_PRINTED), rows, tuple(_PRINTED.values()), empty="沒有設備")


_PRINTED = {
    "財產編號": 26,
    "種類": 13,
    "廠牌": 28,
    "型號": 28,
    "放置地點": 27,
    "連網情形": 20,
    "處置": 28,
}
"""Columns of the list on the form, with their widths in millimetres."""
_FIGURES = {
    "in_use": "使用中的設備",
    "restricted": "限制清單上的設備",
    "overdue": "逾期未汰換的設備",
    "undecided": "尚未決定處置的設備",
}
