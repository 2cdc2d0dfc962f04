"""The list of records: what its address asks for, its columns, its rows to take away.

Shared by the page, the export and the deletion, so that all three mean the same records.
"""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from django.db.models import Max, Q, QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404

from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.hours.listing.forms import FIELDS, SearchForm
from ismp.hours.listing.record_pages import Keyword, RecordPages
from ismp.hours.models import Record, in_hours
from ismp.hours.portal_import.layout import CATEGORIES, COLUMNS, NAMES
from ismp.hours.records import bulk_read
from ismp.imports import masking
from ismp.imports.models import ImportRun
from ismp.storage import replica
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text import roc_dates
from ismp.ui.text.numbers import whole_numbers

ADDED_UP = frozenset({"fee", "total", "digital_hours", "classroom_hours"})
"""Columns whose numbers are numbers in a workbook, so that Excel adds them up."""
HEAD = ["公務帳號", *(column.title for column in COLUMNS[1:])]


def scope(query: QueryDict, user: Account) -> Agency | None:
    """The agency the address asks for; None is all, for those who may.  404 for a code that no
    agency has: it must never mean all of them."""
    if not user.may(Right.ALL_AGENCIES):
        return user.agency
    code = query.get("agency")
    return get_object_or_404(Agency, code=fold_code(code)) if code else None


def asked(search: SearchForm, agency: Agency | None, user: Account) -> QuerySet[Record]:
    """The live records that a search finds; none when the search itself is not in order."""
    records = Record.objects.visible_to(user).of_agency(agency).live()
    if not search.is_valid():
        return records.none()
    found = search.cleaned_data
    return records.ended_in(found["start"], found["end"]).of_people(*_keyword(found))


def chosen(posted: QueryDict, user: Account) -> QuerySet[Record]:
    """The records that were ticked, or all that the posted search finds."""
    if posted.get("everything"):
        return asked(SearchForm.asked(posted), scope(posted, user), user)
    ids = whole_numbers(posted.getlist("ids"))
    return Record.objects.visible_to(user).live().filter(pk__in=ids)


def newest(
    search: SearchForm, agency: Agency | None, user: Account, using: str
) -> RecordPages | None:
    """The same records, to be read page by page or in batches; None when there can be none."""
    if not search.is_valid():
        return None
    found = search.cleaned_data
    return RecordPages(
        (found["start"], found["end"]), _keyword(found), agency=agency, user=user, using=using
    )


def _keyword(found: dict[str, Any]) -> Keyword:
    return Keyword(found["field"] or "username", found["q"])


def reader(request: HttpRequest, agency: Agency | None) -> str:
    """The database to read a list of records from: it has this person's actions, and all imports,
    finished or undone, of this person, of the agency or of the one asked for."""
    user = request.user
    concern = Q(agency__in=[*user.agency_ids(), *(agency.with_merged() if agency else [])])
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
    start, end = (
        roc_dates.roc_date(found["start"]) or "最早",
        roc_dates.roc_date(found["end"]) or "最近",
    )
    if not RecordPages(always, **whose).count():
        return "這裡還沒有任何學習時數；請選擇入口網下載的檔案，按「上傳CSV檔」。"
    in_time = RecordPages(period, **whose).count()
    if not keyword.text or not in_time:
        return f"搜尋期間 {start} ~ {end}（依迄日期）沒有時數；請放寬期間後再按「確定」。"
    field = dict(FIELDS)[keyword.field]
    if RecordPages(always, keyword, **whose).count():
        return (
            f"{field}內有「{keyword.text}」的時數都不在 {start} ~ {end}；請放寬期間後再按「確定」。"
        )
    return (
        f"沒有{field}內有「{keyword.text}」的時數；請改關鍵字，或清空後再按「確定」，"
        f"這段期間共有 {in_time:,} 筆。"
    )


def head(agency: Agency | None) -> list[str]:
    """The columns of a list and of its download: of all agencies with the agency of each record."""
    return HEAD if agency else [*HEAD[:2], "機關", *HEAD[2:]]


def frames(newest: RecordPages | None, *, with_agency: bool = False) -> Iterator[pl.DataFrame]:
    """All the records in order, in parts: the columns of `head`, as the page shows them.

    Who people are is asked once for each; joined by the database, every part would read them all.
    """
    people = pl.DataFrame(schema=_PERSON)
    agencies = dict(Agency.objects.values_list("pk", "name")) if with_agency else {}
    names = [*NAMES[:2], _AGENCY, *NAMES[2:]] if with_agency else NAMES
    for records in newest.batches(_BATCH) if newest else ():
        frame = bulk_read.frame_of(records, _RECORD)
        new = frame["account_id"].unique().to_frame().join(people, "account_id", "anti")
        people = pl.concat([people, _people(new["account_id"].to_list(), records.db)])
        frame = frame.join(people, "account_id", maintain_order="left")
        if with_agency:
            called = pl.col("agency_id").replace_strict(agencies, return_dtype=pl.String)
            frame = frame.with_columns(called.alias(_AGENCY))
        yield frame.select(
            masking.by_value(frame[name], _READ_OUT[name], pl.String).fill_null("")
            if name in _READ_OUT
            else frame[name]
            for name in names
        )


def _people(accounts: list[int], using: str) -> pl.DataFrame:
    found = Account.objects.using(using).filter(pk__in=accounts).order_by()
    return pl.DataFrame(list(found.values_list("pk", "username", "name")), _PERSON, orient="row")


def cell(record: Record, name: str) -> str:
    """One value as the page writes it; 公務帳號 and 姓名 are the account's."""
    if name == "national_id":
        return record.account.username
    if name == "name":
        return record.account.name
    value = getattr(record, name)
    return _READ_OUT[name](value) if name in _READ_OUT else value


def _with_its_name(category: int) -> str:
    return f"{category} {CATEGORIES[category]}"


_BATCH = 10_000
_READ_OUT: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("total", "digital_hours", "classroom_hours"), in_hours),
    **dict.fromkeys(("started_on", "ended_on"), roc_dates.roc_date),
    "category": _with_its_name,
}
_NUMBERS = ("total", "digital_hours", "classroom_hours", "category")
_AGENCY = "of_agency"
_RECORD = {
    "account_id": pl.Int64,
    "agency_id": pl.Int64,
    **dict.fromkeys(NAMES[2:], pl.String),
    **dict.fromkeys(_NUMBERS, pl.Int64),
    **dict.fromkeys(("started_on", "ended_on"), pl.Date),
}
_PERSON = {"account_id": pl.Int64, "national_id": pl.String, "name": pl.String}
"""What a list shows of the account: 公務帳號 stands where the portal has the number."""
