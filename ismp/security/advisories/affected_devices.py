"""Which devices an advisory speaks of: by vendor under all of its names, product and version.

The chain holds both ways: an advisory finds devices, a device its advisories.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import QuerySet

from ismp.security.devices import product_matching
from ismp.security.intelligence import versions
from ismp.security.models import Advisory, Device, Vendor
from ismp.security.models.intelligence import AdvisoryQuerySet


def naming(device: Device, found: AdvisoryQuerySet) -> list[Advisory]:
    """The advisories in force that speak of a device's brand."""
    columns = found.in_force().only("pk", "title", "severity", "products")
    vendors = Vendors.load()
    return [
        one
        for one in columns
        if product_matching.match([(device.brand, "")], vendors.patterns(one), literal=True)
    ]


class Vendors:
    """The names under which each vendor is known (models.Vendor)."""

    def __init__(self, known: Iterable[Vendor]) -> None:
        self._names: dict[str, set[str]] = {}
        for vendor in known:
            for one in vendor.names:
                self._names.setdefault(product_matching.fold(one), set()).update(vendor.names)

    def knows(self, name: str) -> bool:
        return product_matching.fold(name) in self._names

    @classmethod
    def load(cls) -> "Vendors":
        return cls(Vendor.objects.all())

    def patterns(self, advisory: Advisory) -> dict[int, tuple[str, str]]:
        """Brands (see `product_matching.match`) by which the products of an advisory are found: the
        vendors that it names, under all of their names.  Names that are none find nothing."""
        named = {one["vendor"] for one in advisory.products}
        names: set[str] = set()
        for vendor in named:
            names |= {vendor} | self._names.get(product_matching.fold(vendor), set())
        real = sorted(one for one in names if product_matching.fold(one) not in _NO_NAMES)
        return {number: (name, "") for number, name in enumerate(real)}


_NO_NAMES = frozenset(
    {"", "n/a", "na", "*", "unknown", "unspecified", "multiple", "various", "none"}
)


class Hit(NamedTuple):
    """A device that an advisory may speak of, and how well it fits."""

    device: Device
    fits: bool
    """The product fits too, not only the brand."""
    is_affected: bool | None
    """Whether its version is among the affected ones; None when one of both says no version."""

    @property
    def words(self) -> str:
        if self.is_affected is not None:
            return "版本受影響" if self.is_affected else "版本不在受影響範圍"
        return "廠牌與型號相符" if self.fits else "廠牌相符"

    @property
    def tone(self) -> str:
        if self.is_affected is not None:
            return "red" if self.is_affected else "green"
        return "red" if self.fits else "amber"


def hit_by(advisory: Advisory, found: QuerySet[Device]) -> QuerySet[Device]:
    """The devices in use of the brands that an advisory names."""
    in_use = Device.objects.filter(pk__in=found.values("pk")).in_use()
    brands = in_use.order_by().values_list("brand", flat=True).distinct()
    named = Vendors.load().patterns(advisory)
    hit = product_matching.match(((brand, "") for brand in brands), named, literal=True)
    return in_use.filter(brand__in=[brand for brand, _ in hit]).select_related("agency")


def judged(advisory: Advisory, devices: Iterable[Device]) -> list[Hit]:
    """How well each of some devices fits an advisory."""
    named = [
        (product_matching.fold(one["product"]), one["product"], one["versions"])
        for one in advisory.products
        if product_matching.fold(one["product"]) not in _NO_NAMES
    ]
    return [_judged(device, named) for device in devices]


def _judged(device: Device, named: list[tuple[str, str, str]]) -> Hit:
    model = product_matching.fold(device.model)
    fitting = [
        (product, affected)
        for name, product, affected in named
        if model and (model in name or name in model)
    ]
    verdicts = {versions.covers(affected, _version_of(device, name)) for name, affected in fitting}
    is_affected = True if True in verdicts else False if verdicts == {False} else None
    return Hit(device, bool(fitting), is_affected)


_DOTTED = re.compile(r"v?[0-9]+(?:\.[0-9]+)+[a-z0-9-]*", re.IGNORECASE)


def _version_of(device: Device, product: str) -> str:
    """The version that ends a device's model (`FortiOS 7.4.1`); empty for none.  A year such as in
    `Windows Server 2019` is part of a name."""
    words = device.model.split()
    is_more = len(words) > max(1, len(product.split()))
    return words[-1] if is_more and _DOTTED.fullmatch(words[-1]) else ""


def devices_of(advisory: Advisory, found: QuerySet[Device]) -> list[Hit]:
    """All of the devices that an advisory may speak of, judged."""
    return judged(advisory, hit_by(advisory, found))
