"""One style sheet of the whole site, put together from those of the apps.

Each app keeps its own (`<app>/css/<app>.css` among its static files).  A browser that asked for
all 13 would wait for 13 answers before it draws its first page, so collectstatic writes them into
one, with one name and one hash.  `ISMP_DEBUG=1` links them one by one.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.files.storage import Storage

NAME = "ui/site.css"


@cache
def parts() -> tuple[str, ...]:
    """Static paths of the style sheets in their order: tokens, elements and components, apps in the
    order of `INSTALLED_APPS`, print."""
    folders = [Path(app.path) for app in apps.get_app_configs()]
    sheets = [folder / f"static/{folder.name}/css/{folder.name}.css" for folder in folders]
    own = ["/".join(sheet.parts[-3:]) for sheet in sheets if sheet.exists()]
    first = [f"ui/css/{name}.css" for name in ("tokens", "base", "components")]
    return (*first, *own, "ui/css/print.css")


class Finder(finders.BaseFinder):
    """Gives collectstatic the style sheet as if it were a file of `ismp.ui`."""

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, *args: Any, **kwargs: Any) -> list[str]:  # type: ignore[override]
        """Nothing: a development server links the parts."""
        return []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        yield NAME, _Joined()


class _Joined(Storage):
    """Where collectstatic reads the style sheet from."""

    def _open(self, name: str, mode: str) -> "ContentFile[bytes]":
        return ContentFile(b"\n".join(path.read_bytes() for path in self._parts()))

    def get_modified_time(self, name: str) -> datetime:
        return datetime.fromtimestamp(max(path.stat().st_mtime for path in self._parts()), UTC)

    def path(self, name: str) -> str:
        """Return what collectstatic writes into its log."""
        return name

    @staticmethod
    def _parts() -> list[Path]:
        return [Path(str(finders.find(part))) for part in parts()]
