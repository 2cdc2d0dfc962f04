from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from ismp.imports.kinds import ImportKind


class SecurityConfig(AppConfig):
    name = "ismp.security"
    label = "security"
    verbose_name = "情資、通報、管制設備"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.imports import kinds  # noqa: PLC0415
        from ismp.security.merging import CONSEQUENCES  # noqa: PLC0415

        closing_consequences.register(*CONSEQUENCES)
        kinds.register(_kinds)


def _kinds() -> Iterable["ImportKind"]:
    from ismp.security.devices.inventory_import import DEVICES  # noqa: PLC0415 (polars)
    from ismp.security.devices.product_import import PRODUCTS  # noqa: PLC0415

    return DEVICES, PRODUCTS
