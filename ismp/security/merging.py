"""Devices, incidents and advisories when their agency is merged into another one."""

from django.utils import timezone

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.audit import trail
from ismp.security import verbs
from ismp.security.models import Address, AgencyGroup, Device, Incident

_NUMBER_CHARS = Device._meta.get_field("asset_no").max_length or 0


def _devices(agency: Agency) -> int:
    return Device.objects.in_use().filter(agency=agency).count()


def _carry_devices(agency: Agency, into: Agency) -> None:
    """One whose 財產編號 is used there already bears the code of its former agency behind it."""
    taken = set(Device.objects.filter(agency=into).values_list("asset_key", flat=True))
    going = Device.objects.in_use().filter(agency=agency)
    renamed = []
    for one in going.filter(asset_key__in=taken):
        mark, former = f"（{agency.code}）", one.asset_no
        one.asset_no = f"{former[: _NUMBER_CHARS - len(mark)]}{mark}"
        one.agency = into
        one.save(update_fields=["asset_no", "asset_key", "agency"])
        edits = [("財產編號", former, one.asset_no)]
        renamed.append(trail.about(verbs.SAVE_DEVICE, one, changes=edits))
    trail.record_many(renamed, actor=trail.SYSTEM)
    going.update(agency=into)


def _incidents(agency: Agency) -> int:
    return Incident.objects.open().filter(agency=agency).count()


def _addresses(agency: Agency) -> int:
    return Address.objects.waiting().filter(agency=agency).count()


def _carry_addresses(agency: Agency, into: Agency) -> None:
    """An advisory that both agencies must answer is answered once."""
    waiting = Address.objects.waiting().filter(agency=agency)
    there = Address.objects.filter(agency=into).values_list("advisory", flat=True)
    waiting.filter(advisory__in=list(there)).update(
        removed_at=timezone.now(),
        removed_by=trail.SYSTEM,
        removed_because=f"機關併入{into.name}，由該機關回覆。",
    )
    waiting.update(agency=into)


def _groups(agency: Agency) -> int:
    return AgencyGroup.objects.filter(agencies=agency).count()


def _carry_groups(agency: Agency, into: Agency) -> None:
    for group in AgencyGroup.objects.filter(agencies=agency):
        group.agencies.remove(agency)
        group.agencies.add(into)


CONSEQUENCES = (
    Consequence(
        "使用中的管制設備",
        _devices,
        "移到新機關；財產編號重複的，編號後面加上原機關代碼。",
        carry=_carry_devices,
    ),
    Consequence(
        "未結案的資安事件",
        _incidents,
        "案號不變，由新機關的管理者與資安長處理到結案；已結案的新機關看得到。",
    ),
    Consequence(
        "待回覆的情資",
        _addresses,
        "由新機關回覆；新機關原來就要回覆的，只回覆一次。",
        carry=_carry_addresses,
    ),
    Consequence("情資的機關群組", _groups, "改列新機關。", carry=_carry_groups),
)
