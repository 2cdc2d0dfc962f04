"""Actions on devices: editing, importing an inventory, retiring."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.audit import changes, trail
from ismp.audit.changes import Change
from ismp.audit.verbs import Verb
from ismp.errors import ActionRefused
from ismp.security import verbs
from ismp.security.devices.actions.matching import BATCH, UPDATED_AT_ONCE, hold_list, match
from ismp.security.devices.inventory import Inventory
from ismp.security.models import (
    Decision,
    Device,
    asset_key,
)
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import one_line


@transaction.atomic
def save_device(device: Device, *, by: Account) -> Device:
    """Add a device, or store what was changed on it; see at once whether it is restricted.

    Raises ActionRefused when it moves a day that was decided.
    """
    hold_list(to_change=False)
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
    decided = decided_days([device.pk]).get(device.pk)
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


def decided_days(devices: Iterable[int] | QuerySet[Device]) -> dict[int, date]:
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
def import_devices(
    found: Inventory, *, agency: Agency, subject: str = "", by: Account
) -> list[Row]:
    """Bring the inventory of an agency in line with a file; devices not in it stay.

    What the file has no column for stays, and so does the day that was decided for a device.  Each
    device that is added or changed has an event of its own, so that its 異動紀錄 is whole, and the
    file one, which is about `subject`.
    """
    hold_list(to_change=False)
    Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
    held = {device.asset_key: device for device in Device.objects.filter(agency=agency)}
    decided = decided_days(Device.objects.filter(agency=agency))
    rows = [_row(line, entry, held, decided, agency) for line, entry in found.entries.items()]
    of_outcome = {
        outcome: [row for row in rows if row.outcome == outcome]
        for outcome in ("created", "updated", "unchanged")
    }
    created = [row.device for row in of_outcome["created"]]
    Device.objects.bulk_create(created, batch_size=BATCH)
    updated = [row.device for row in of_outcome["updated"]]
    if columns := sorted({name for row in of_outcome["updated"] for name in row.changed}):
        Device.objects.bulk_update(updated, columns, batch_size=UPDATED_AT_ONCE)
    match(Device.objects.filter(agency=agency).in_use())
    entries = [
        trail.about(
            verbs.SAVE_DEVICE,
            row.device,
            agency=agency.code,
            run=subject,
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
        subject=subject,
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
    differences, words = [], []
    for name in changed:
        one: Any = Device._meta.get_field(name)
        before, was = changes.display(device, one), value_in_words(device, name)
        setattr(device, name, entry[name])
        differences.append((str(one.verbose_name), before, changes.display(device, one)))
        words.append(f"{one.verbose_name}「{was}」改為「{value_in_words(device, name)}」")
    words += [also] if also else []
    return Row(line, "updated", "；".join(words), device, changed, differences)


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


def value_in_words(device: Device, name: str) -> str:
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
    chosen = list(held(devices).in_use())
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
    hold_list(to_change=False)
    chosen = list(held(devices).exclude(retired_on=None))
    _set_retired_on(
        chosen, None, verb=verbs.UNRETIRE_DEVICES, by=by, reason=national_id.hide(reason)
    )
    match(Device.objects.filter(pk__in=[one.pk for one in chosen]))
    return len(chosen)


def held(devices: QuerySet[Device]) -> Any:
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
