"""One example for each resource: what its form takes, and what it refuses.

tests/site/test_resources.py walks every resource with it.  Where none stands here, it is derived
from the form (`derived`); one that needs more fails and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pytest

from ismp.ui.resources.resource import Resource, every
from tests.support import derived


@dataclass(frozen=True)
class Example:
    good: Callable[[int], dict]
    """What the form is filled with for the nth thing, by somebody of one agency."""
    bad: dict
    """Fields that make a good form wrong."""
    says: str
    """What the page then says."""
    by: str = "agency_admin"
    """The role that adds."""
    actions: dict[str, dict] = field(default_factory=dict)
    """What each action's form is filled with; a function is asked with the things' model."""
    most: int = 100
    """So many can be added beside those of the fixture `things`."""


NEXT_YEAR = date.today().year - 1911 + 1


def a_classroom_course() -> int:
    """The one that `offers` made."""
    from ismp.courses.models import Course

    return Course.objects.get(title="社交工程演練").pk


_EXAMPLES = {
    "departments": Example(
        good=lambda n: {"name": f"測試{n}科"},
        bad={"name": ""},
        says="請填寫部門",
    ),
    "agencies": Example(
        good=lambda n: {"code": f"38299{n:04}T", "name": f"測試{n}局", "contact_name": f"聯絡{n}"},
        bad={"contact_email": "不是信箱"},
        says="有效的電子郵件",
        by="platform_admin",
    ),
    "people": Example(
        good=lambda n: {
            "username": f"IC{5000 + n}",
            "name": f"測試{n}",
            "identities": ["it", "general"],
            "since": "115-01-05",
        },
        bad={"name": "", "username": ""},
        says="請填寫姓名",
    ),
    "online_courses": Example(
        good=lambda n: {"title": f"線上課程{n}", "category": "522", "hours": "2.5"},
        bad={"hours": "0"},
        says="大於 0 的數字",
    ),
    "classroom_courses": Example(
        good=lambda n: {"title": f"實體課程{n}", "category": "523", "hours": "6"},
        bad={"title": "=1+1"},
        says="試算表會把它當成公式",
    ),
    "sessions": Example(
        good=lambda n: {
            **{"course": a_classroom_course(), "place": f"第 {n} 教室", "quota": "30"},
            **{"opens_on": "115-01-05", "closes_on": "115-02-01"},
            "timings": "115-02-02 09:00-12:00 3",
        },
        bad={"timings": "115-02-02 12:00-09:00"},
        says="結束不晚於開始",
    ),
    "teachers": Example(
        good=lambda n: {"name": f"外聘講師{n}", "expertise": "資安稽核", "is_engaged": "on"},
        bad={"username": "IC1002"},
        says="只能填其中一項",
    ),
    "devices": Example(
        good=lambda n: {
            **{"asset_no": f"A-{n:04}", "kind": "hardware", "brand": "示範牌", "model": "M1"},
            **{"quantity": "1", "network": "official", "bought_on": "113-05-01"},
        },
        bad={"bought_on": "去年"},
        says="日期請寫成 115-01-01 的樣子",
    ),
    "products": Example(
        good=lambda n: {"brand": f"示範牌{n}", "letter": "示範字第1號", "issued_on": "115-01-01"},
        bad={"issued_on": "去年"},
        says="日期請寫成 115-01-01 的樣子",
        by="platform_admin",
    ),
    "campaigns": Example(
        good=lambda n: {"year": str(NEXT_YEAR), "due_on": f"{NEXT_YEAR}-12-{n % 9 + 1:02}"},
        bad={"due_on": "年底"},
        says="日期請寫成 115-01-01 的樣子",
        by="platform_admin",
        most=1,
    ),
    "vendors": Example(
        good=lambda n: {"name": f"廠牌{n}", "aliases": f"別名{n}"},
        bad={"name": "Microsoft"},
        says="已有這個廠牌",
        by="platform_admin",
    ),
    "advisories": Example(
        good=lambda n: {
            **{"title": f"示範弱點{n}", "severity": "high", "tlp": "green", "source": "示範中心"},
            **{"issued_on": "115-11-01", "products": "示範牌｜M1｜1.0", "cves": "cve-2026-0001"},
        },
        bad={"products": "一｜二｜三｜四"},
        says="每行一項產品",
        by="platform_admin",
    ),
}


def modules():
    """Every resource that has an address."""
    return list(every())


def _derived(one: Resource) -> Example:
    wrong, says = derived.bad(one)
    return Example(partial(derived.good, one), wrong, says, derived.editor_of(one))


EXAMPLES = {
    **_EXAMPLES,
    **{one.name: _derived(one) for one in every() if one.form and one.name not in _EXAMPLES},
}

each_that_adds = pytest.mark.parametrize(
    "module", [one for one in modules() if one.form], ids=lambda module: module.name
)
