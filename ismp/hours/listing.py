"""The list of records: what its address asks for, its columns, its rows to take away.

Shared by the page, the export and the deletion, so that all three mean the same records.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, QueryDict

from ismp import replica
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.hours.forms import FIELDS, SearchForm
from ismp.hours.models import ImportRun, Record, in_hours
from ismp.hours.newest import Keyword, Newest
from ismp.hours.profile import CATEGORIES, COLUMNS
from ismp.ui import roc

_HOURS = ("total", "digital_hours", "classroom_hours")
HEAD = ["公務帳號", *(column.title for column in COLUMNS[1:])]


def scope(query: QueryDict, user: Account) -> Agency | None:
    """The agency the address asks for; None is all, for those who may."""
    if not user.may(Right.ALL_AGENCIES):
        return user.agency
    return Agency.objects.filter(code=query.get("agency", "")).first()


def asked(search: SearchForm, agency: Agency | None, user: Account) -> QuerySet[Record]:
    """The live records that a search finds; none when the search itself is not in order."""
    records = Record.objects.visible_to(user).of_agency(agency).live()
    if not search.is_valid():
        return records.none()
    found = search.cleaned_data
    return records.ended_in(found["start"], found["end"]).of_people(*_keyword(found))


def newest(search: SearchForm, agency: Agency | None, user: Account, using: str) -> Newest | None:
    """The same records, to be read page by page or in batches; None when there can be none."""
    if not search.is_valid():
        return None
    found = search.cleaned_data
    return Newest(
        (found["start"], found["end"]), _keyword(found), agency=agency, user=user, using=using
    )


def _keyword(found: dict[str, Any]) -> Keyword:
    return Keyword(found["field"] or "username", found["q"])


def reader(request: HttpRequest, agency: Agency | None) -> str:
    """The database to read a list of records from: it has this person's deeds, and all imports,
    finished or undone, that are hers, of her agency or of the one asked for."""
    user: Any = request.user
    concern = Q(agency__in={user.agency_id, agency and agency.pk})
    if user.may(Right.ALL_AGENCIES):
        concern |= Q(started_by=user.username)
    runs = ImportRun.objects.filter(concern).order_by("agency").values("agency")
    return replica.reader(request.session, runs.annotate(Max("finished_at"), Max("undone_at")))


def in_the_way(search: SearchForm, agency: Agency | None, user: Account, using: str) -> str:
    """Why a search finds nothing, in one sentence that says what to do."""
    if not search.is_valid():
        return "請先更正上面的搜尋條件。"
    found, always = search.cleaned_data, (None, None)
    period, keyword = (found["start"], found["end"]), _keyword(found)
    whose: dict[str, Any] = {"agency": agency, "user": user, "using": using}
    start, end = roc.roc_date(found["start"]) or "最早", roc.roc_date(found["end"]) or "最近"
    if not Newest(always, **whose).count():
        return "這裡還沒有任何學習時數；請選擇入口網下載的檔案，按「上傳CSV檔」。"
    in_time = Newest(period, **whose).count()
    if not keyword.text or not in_time:
        return f"搜尋期間 {start} ~ {end}（依迄日期）沒有時數；請放寬期間後再按「確定」。"
    field = dict(FIELDS)[keyword.field]
    if Newest(always, keyword, **whose).count():
        return (
            f"{field}內有「{keyword.text}」的時數都不在 {start} ~ {end}；請放寬期間後再按「確定」。"
        )
    return (
        f"沒有{field}內有「{keyword.text}」的時數；請改關鍵字，或清空後再按「確定」，"
        f"這段期間共有 {in_time:,} 筆。"
    )


def cells(records: QuerySet[Record]) -> Iterator[list[Any]]:
    """The 22 columns of each record as text, 公務帳號 in place of the ID; read in pieces."""
    for record in records.iterator(2_000):
        yield [cell(record, column.name) for column in COLUMNS]


def cell(record: Record, name: str) -> str:
    """One value as the page and the export write it; 公務帳號 and 姓名 are the account's."""
    if name == "national_id":
        return record.account.username
    if name == "name":
        return record.account.name
    value = getattr(record, name)
    if name in _HOURS:
        return in_hours(value)
    if name == "category":
        return f"{value} {CATEGORIES[value]}"
    return roc.roc_date(value) if name in {"started_on", "ended_on"} else value
