from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from ismp.imports.kinds import ImportKind


class ImportsConfig(AppConfig):
    name = "ismp.imports"
    label = "imports"
    verbose_name = "匯入"

    def ready(self) -> None:
        from ismp.imports import kinds  # noqa: PLC0415 (no models before)

        kinds.register(_kinds)


def _kinds() -> Iterable["ImportKind"]:
    from ismp.imports.rosters import ROSTER  # noqa: PLC0415 (when it is asked for)

    return (ROSTER,)
