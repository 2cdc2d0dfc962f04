from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from ismp.imports.kinds import ImportKind


class HoursConfig(AppConfig):
    name = "ismp.hours"
    label = "hours"
    verbose_name = "終身學習時數"

    def ready(self) -> None:
        from ismp.accounts.agencies.closing import consequences as closing_consequences  # noqa: PLC0415
        from ismp.hours.merging import CONSEQUENCES  # noqa: PLC0415
        from ismp.imports import kinds  # noqa: PLC0415

        closing_consequences.register(*CONSEQUENCES)
        kinds.register(_kinds)


def _kinds() -> Iterable["ImportKind"]:
    from ismp.hours.kinds import CREDITED, HOURS, JOB, RECOGNISED  # noqa: PLC0415 (polars)

    return HOURS, CREDITED, RECOGNISED, JOB
