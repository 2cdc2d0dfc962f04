"""The menus: the links of the portal, the modules of 管理環境 and their tabs, as tables.

Only existing pages stand here, and each person sees those that they may open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ismp.accounts.roles import Right
from ismp.portal.models import Page, PageVersion
from ismp.ui.resources import resource
from ismp.ui.resources.resource import MenuPlace, Resource


@dataclass(frozen=True)
class Link:
    """A page of the portal; `in_head`: in the head of each page; `open`: without signing in."""

    title: str
    address: str
    in_head: bool = False
    open: bool = False


PORTAL = (
    Link("首頁", "portal:home"),
    Link("我的時數", "portal:hours"),
    Link("外部時數認列", "external_hours:my_claims"),
    Link("我的課程", "courses:my_courses"),
    Link("資安列管身分", "application_forms:identities"),
    Link("驗證時數證明", "portal:verification"),
    Link("網站導覽", "portal:sitemap", in_head=True, open=True),
    Link("課程搜尋", "portal:search", in_head=True),
    Link("常見問題", "portal:faq", in_head=True, open=True),
    Link("網站介紹", "portal:about", in_head=True, open=True),
    Link("資通安全通報", "security:my_incidents"),
    Link("通知", "notifications:list"),
    Link("報修", "support:list"),
    Link("通報資安事件", "security:report"),
    Link("我的通報", "security:my_incidents"),
    Link("我保管的管制設備", "security:my_devices"),
    Link("變更密碼", "accounts:password_change"),
    Link("登入", "accounts:login", open=True),
    Link("申請帳號", "application_forms:apply", open=True),
    Link("帳號申請進度", "application_forms:state", open=True),
)


@dataclass(frozen=True)
class Tab:
    """A page of a module; `covers` names the namespaces whose other pages belong to it too."""

    title: str
    address: str
    right: Right
    covers: str = ""


@dataclass(frozen=True)
class MenuModule:
    """A module of 管理環境: its pages, and among them the lists that name it in `Resource.menu`."""

    title: str
    before: tuple[Tab, ...] = ()
    after: tuple[Tab, ...] = ()

    @property
    def tabs(self) -> tuple[Tab, ...]:
        lists = ((one, one.menu) for one in resource.every())
        return (
            *self.before,
            *(_tab(one, place) for one, place in lists if place and place.module == self.title),
            *self.after,
        )


def _tab(one: Resource, place: MenuPlace) -> Tab:
    title, right = place.title or one.title, Right(place.right or one.view)
    return Tab(title, f"{one.name}:list", right, covers=f"{one.name} {place.covers}")


@dataclass(frozen=True)
class OpenModule:
    """A module as far as a person may open it."""

    title: str
    tabs: tuple[Tab, ...]


@dataclass(frozen=True)
class Section:
    """A part of the map of the site."""

    title: str
    links: Sequence[Link | Tab]


MODULES = (
    MenuModule(
        "機關審核作業",
        before=(Tab("等候審核", "reviews:queue", Right.MANAGE, covers="reviews"),),
        after=(Tab("代理人", "reviews:delegations", Right.EDIT_PEOPLE),),
    ),
    MenuModule("資安情資管理"),
    MenuModule("資安管制作業", after=(Tab("資安長", "security:officers", Right.VIEW_SECURITY),)),
    MenuModule("帳號管理", after=(Tab("匯入名冊", "rosters:page", Right.EDIT_PEOPLE),)),
    MenuModule("教師管理"),
    MenuModule("線上課程"),
    MenuModule("實體課程"),
    MenuModule("部門管理"),
    MenuModule(
        "學習地圖管理",
        before=(
            Tab("學習地圖管理", "compliance:rules", Right.MANAGE, covers="compliance"),
            Tab("終身學習時數管理", "hours:all", Right.ALL_AGENCIES),
            Tab(
                "單一機關終身學習時數管理",
                "hours:agency",
                Right.VIEW_HOURS,
                covers="hours duplicates",
            ),
        ),
        after=(
            Tab("達標狀況", "boards:board", Right.VIEW_HOURS, covers="boards assignments"),
            Tab("全市達標狀況", "boards:city", Right.ALL_AGENCIES),
        ),
    ),
    MenuModule(
        "報修案件", (Tab("報修案件", "support:manage", Right.VIEW_TICKETS, covers="support"),)
    ),
    MenuModule("網站內容", (Tab("網站內容", "pages:list", Right.EDIT_PAGES, covers="pages"),)),
    MenuModule("稽核軌跡", (Tab("稽核軌跡", "manage:trail", Right.VIEW_TRAIL),)),
)


def site(request: HttpRequest) -> dict[str, Any]:
    """For the head and foot of each page of the portal."""
    return {
        "site_links": [link for link in PORTAL if link.in_head],
        "popular": SimpleLazyObject(_popular),
        "help_desk": settings.HELP_DESK,
        "version": settings.VERSION,
    }


def _popular() -> list[str]:
    """熱門關鍵字, one a line of their page."""
    return PageVersion.current(Page.KEYWORDS).body.splitlines()


def sections(request: HttpRequest) -> list[Section]:
    """The map of the site: the portal, then each module of 管理環境, as far as this person may."""
    if not request.user.is_authenticated:
        return [Section("入口網", [link for link in PORTAL if link.open])]
    portal = [link for link in PORTAL if link.address != settings.LOGIN_URL]
    modules = managing(request).get("modules", [])
    return [Section("入口網", portal), *(Section(one.title, one.tabs) for one in modules)]


def managing(request: HttpRequest) -> dict[str, Any]:
    """For the head of each page of 管理環境: the modules, and where in them the person is."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.may(Right.MANAGE):
        return {}
    found = [OpenModule(module.title, _open_to(user, module)) for module in MODULES]
    modules = [module for module in found if module.tabs]
    here = next(((m, tab) for m in modules for tab in m.tabs if _is_at(request, tab)), None)
    if here is None and not hasattr(request, "stands_at"):
        here = next(((m, t) for m in modules for t in m.tabs if _covers(request, t)), None)
    return {
        "modules": modules,
        "current_module": here and here[0],
        "current_tab": here and here[1],
    }


def _open_to(user: Any, module: MenuModule) -> tuple[Tab, ...]:
    return tuple(tab for tab in module.tabs if user.may(tab.right))


def _is_at(request: HttpRequest, tab: Tab) -> bool:
    """A page whose address is shared by several tabs says by itself where it stands."""
    match = request.resolver_match
    stands_at = getattr(request, "stands_at", match and match.view_name)
    return bool(stands_at == tab.address)


def _covers(request: HttpRequest, tab: Tab) -> bool:
    match = request.resolver_match
    return match is not None and match.namespace in tab.covers.split()
