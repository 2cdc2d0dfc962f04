"""Lists beside the advisories: indicators, vendors and their names, groups of agencies.

Each as data (see `ismp.ui.resources.resource`), with the actions that keep it.
"""

from collections.abc import Iterable

from django.db import transaction
from django.http import HttpResponse

from ismp.accounts import national_id
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.security import verbs
from ismp.security.advisories.affected_devices import Vendors
from ismp.security.forms import GroupForm, VendorForm
from ismp.security.models import Advisory, AgencyGroup, Indicator, Vendor
from ismp.ui import verbs as ui_verbs
from ismp.ui.exports.csv import csv_lines
from ismp.ui.resources import versions
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Filter, MenuPlace, Resource

IOC_COLUMNS = (
    Column("型別", "kind"),
    Column("值", "value", "text"),
    Column("首次出現", "first_seen", "date"),
    Column("偵測", lambda one: "可用於偵測" if one.detects else "僅供參考"),
    Column("情資", "advisory.title", "text"),
    Column("TLP", "advisory.get_tlp_display"),
)


def export_iocs(chosen: Iterable[Advisory], *, by: Account) -> HttpResponse:
    """The indicators of the chosen advisories, as CSV."""
    ids = [one.pk for one in chosen]
    found = Indicator.objects.visible_to(by).filter(advisory__in=ids).select_related("advisory")
    rows = [[column.value(one) for column in IOC_COLUMNS] for one in found.order_by("pk")]
    if not rows:
        raise ActionRefused("選取的情資沒有入侵指標（IOC）。")
    lines = csv_lines([column.title for column in IOC_COLUMNS], iter(rows))
    headers = {"Content-Disposition": 'attachment; filename="iocs.csv"'}
    trail.record(
        ui_verbs.EXPORT_LIST, actor=by.username, module="入侵指標", format="CSV", count=len(rows)
    )
    return HttpResponse(b"".join(lines), content_type="text/csv; charset=utf-8", headers=headers)


INDICATORS = Resource(
    name="indicators",
    title="入侵指標",
    thing="入侵指標",
    rows=lambda user: (
        Indicator.objects.visible_to(user).select_related("advisory").order_by("-advisory", "pk")
    ),
    columns=IOC_COLUMNS,
    search={"value": "值", "kind": "型別", "advisory__title": "情資"},
    filters=(Filter("detects", "偵測", [("True", "可用於偵測"), ("False", "僅供參考")]),),
    menu=MenuPlace("資安情資管理"),
    view=Right.VIEW_SECURITY,
    page="security/indicator.html",
    empty="匯入含入侵指標的情資（例如 MISP 的 STIX）後，會列在這裡。",
)


@transaction.atomic
def save_group(group: AgencyGroup, *, agencies: Iterable[Agency], by: Account) -> AgencyGroup:
    """Keep a group of agencies that are addressed together."""
    before = changes.stored(group)
    former = _names(group) if before else ""
    group.name = national_id.hide(group.name)
    changes.store(group, before)
    group.agencies.set(agencies)
    edits = changes.between(before, group)
    if before and former != _names(group):
        edits.append(("機關", former, _names(group)))
    trail.record(verbs.SAVE_GROUP, group, actor=by.username, changes=edits)
    return group


def _names(group: AgencyGroup) -> str:
    return "、".join(group.agencies.values_list("name", flat=True))


@transaction.atomic
def save_vendor(vendor: Vendor, *, by: Account) -> Vendor:
    """Keep the names of a vendor; a name belongs to one vendor only.  Raises ActionRefused."""
    _hold_vendors()
    before = changes.stored(vendor)
    vendor.name = national_id.hide(vendor.name)
    vendor.aliases = national_id.hide(vendor.aliases)
    taken = Vendors(Vendor.objects.exclude(pk=vendor.pk))
    for name in vendor.names:
        if taken.knows(name):
            raise ActionRefused(f"「{name}」已是另一個廠牌的名稱或別名，請先從那裡移除。")
    changes.store(vendor, before)
    edits = changes.between(before, vendor)
    trail.record(verbs.SAVE_VENDOR, vendor, actor=by.username, changes=edits)
    return vendor


def _hold_vendors(keys: Iterable[int] = ()) -> None:
    """All of them, whichever are changed: two could be given one name at once."""
    versions.hold(Vendor.objects.all(), Vendor.objects.values_list("pk", flat=True))


GROUPS = Resource(
    name="agency_groups",
    title="機關群組",
    thing="機關群組",
    rows=lambda user: AgencyGroup.objects.prefetch_related("agencies").order_by("name"),
    columns=(
        Column("群組", "name", "text"),
        Column("機關數", lambda one: len(one.agencies.all()), "number"),
    ),
    more=(Column("機關", lambda one: "、".join(a.name for a in one.agencies.all()), "text"),),
    search={"name": "群組"},
    menu=MenuPlace("資安情資管理", right=Right.REVIEW_SECURITY),
    view=Right.VIEW_SECURITY,
    is_shared=True,
    edit=Right.REVIEW_SECURITY,
    form=GroupForm,
    save=save_group,
    empty="把常常一起發布的機關編成群組，發布情資時一次選定。",
)
VENDORS = Resource(
    name="vendors",
    title="廠牌別名",
    thing="廠牌",
    rows=lambda user: Vendor.objects.order_by("-pk"),
    columns=(
        Column("廠牌", "name", "text"),
        Column("別名", "aliases", "text"),
    ),
    search={"name": "廠牌", "aliases": "別名"},
    menu=MenuPlace("資安情資管理", right=Right.REVIEW_SECURITY),
    view=Right.VIEW_SECURITY,
    is_shared=True,
    edit=Right.REVIEW_SECURITY,
    form=VendorForm,
    save=save_vendor,
    holds=_hold_vendors,
    empty="同一個廠牌的中英文名稱登錄在同一筆，情資才找得到清冊裡的設備。",
)
