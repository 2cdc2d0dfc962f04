"""Actions on the list of restricted products."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.audit import changes, trail
from ismp.audit.changes import Change
from ismp.errors import ActionRefused
from ismp.notifications.actions import notify
from ismp.security import verbs
from ismp.security.devices import product_matching
from ismp.security.devices.actions.matching import BATCH, hold_list, match
from ismp.security.incidents.actions import handlers
from ismp.security.models import (
    Device,
    RestrictedProduct,
)
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import key


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
    hold_list(to_change=True)
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
    hold_list(to_change=True)
    RestrictedProduct.objects.bulk_create(listed, ignore_conflicts=True)
    changed = _match_all()
    trail.record(verbs.RESTRICT_PRODUCTS, actor=by.username, count=changed)
    return changed


def product_key(product: RestrictedProduct) -> tuple[str, str, str]:
    """The key of a line of the list."""
    return (key(product.brand), key(product.model), key(product.letter))


@transaction.atomic
def import_products(
    listed: dict[int, RestrictedProduct], *, rejected: int = 0, subject: str = "", by: Account
) -> list[tuple[int, str, str]]:
    """Bring the list in line with a file of so many good rows by line; what is not in it stays.

    Only the day of the letter is corrected; what was lifted stays as it is.  Return (line,
    outcome, words) of each row.  Agencies that have such devices are told.
    """
    hold_list(to_change=True)
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
    RestrictedProduct.objects.bulk_create(new, batch_size=BATCH)
    RestrictedProduct.objects.bulk_update([one for one, _ in corrected], ["issued_on"], BATCH)
    changed = _match_all()
    recorded: list[tuple[RestrictedProduct, list[Change]]] = [(one, []) for one in new]
    recorded += [(one, [change]) for one, change in corrected]
    entries = [
        trail.about(verbs.SAVE_PRODUCT, one, run=subject, new=not changes, changes=changes)
        for one, changes in recorded
    ]
    trail.record_many(entries, actor=by.username)
    outcomes = Counter(outcome for _, outcome, _ in rows)
    counts = {name: outcomes[name] for name in ("created", "updated", "unchanged")}
    trail.record(
        verbs.TAKE_IN_PRODUCTS,
        actor=by.username,
        agency=by.agency.code,
        subject=subject,
        rejected=rejected,
        count=changed,
        **counts,
    )
    return rows


@transaction.atomic
def lift(product: RestrictedProduct, *, on: date, by: Account) -> int:
    """The authority no longer restricts a product after a day.  Raises ActionRefused."""
    hold_list(to_change=True)
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
    before = set(hit_agencies())
    changed = match(Device.objects.in_use())
    for agency in Agency.objects.filter(pk__in=set(hit_agencies()) - before):
        notify(
            handlers(agency),
            kind="device",
            subject="有設備列入危害國家資通安全產品清單，請逐項決定處置",
            link="/manage/devices/?state=undecided",
        )
    return changed


def hit_agencies() -> Iterable[int]:
    undecided = Device.objects.all().undecided(timezone.localdate())
    return undecided.order_by().values_list("agency", flat=True).distinct()
