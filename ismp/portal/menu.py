"""The menu of 管理環境: its modules and their tabs, in the order of the manual.

Only what is built stands here, and each person sees what she may open.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from ismp.accounts.roles import Right


@dataclass(frozen=True)
class Tab:
    """A page of a module; `covers` is the namespace whose other pages belong to it too."""

    title: str
    address: str
    right: Right
    covers: str = ""


@dataclass(frozen=True)
class Module:
    title: str
    tabs: tuple[Tab, ...]


MODULES = (
    Module(
        "部門管理", (Tab("部門管理", "departments:list", Right.VIEW_PEOPLE, covers="departments"),)
    ),
    Module(
        "學習地圖管理",
        (
            Tab("終身學習時數管理", "hours:all", Right.ALL_AGENCIES),
            Tab("單一機關終身學習時數管理", "hours:agency", Right.VIEW_HOURS, covers="hours"),
        ),
    ),
    Module("稽核軌跡", (Tab("稽核軌跡", "manage:trail", Right.VIEW_TRAIL),)),
)


def managing(request: HttpRequest) -> dict[str, Any]:
    """For the head of each page of 管理環境: the modules, and where in them the person is."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.may(Right.MANAGE):
        return {}
    mine = [Module(module.title, _open_to(user, module)) for module in MODULES]
    modules = [module for module in mine if module.tabs]
    here = next(((m, tab) for m in modules for tab in m.tabs if _is_at(request, tab)), None)
    here = here or next(((m, t) for m in modules for t in m.tabs if _covers(request, t)), None)
    return {
        "modules": modules,
        "current_module": here and here[0],
        "current_tab": here and here[1],
    }


def _open_to(user: Any, module: Module) -> tuple[Tab, ...]:
    return tuple(tab for tab in module.tabs if user.may(tab.right))


def _is_at(request: HttpRequest, tab: Tab) -> bool:
    match = request.resolver_match
    return match is not None and match.view_name == tab.address


def _covers(request: HttpRequest, tab: Tab) -> bool:
    match = request.resolver_match
    return match is not None and match.namespace == tab.covers
