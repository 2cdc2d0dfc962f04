"""Parameters of a board's address: a day, a moment of knowledge, and a selection of people."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts.identities import in_words, sets
from ismp.compliance.people.listing import SORTS
from ismp.compliance.standing.table import WORDS
from ismp.ui.forms import Form, KeywordField, RocDateField
from ismp.ui.text import roc_dates

_EARLIEST = date(2012, 1, 1)


class DayForm(Form):
    """基準日, and 以哪一天所知: both may be left empty for today and for now."""

    on = RocDateField(label="基準日")
    known = RocDateField(label="以當時所知")

    def __init__(self, query: Any) -> None:
        asked = {name: query[name] for name in self.base_fields if query.get(name)}
        super().__init__({"on": roc_dates.roc_date(timezone.localdate()), **asked})

    @property
    def on_day(self) -> date:
        """The day asked for, or today when nobody can know which one was meant."""
        return (self.is_valid() and self.cleaned_data["on"]) or timezone.localdate()

    @property
    def known_at(self) -> datetime | None:
        """The end of the day whose knowledge is asked for."""
        day = self.is_valid() and self.cleaned_data["known"]
        return timezone.make_aware(datetime.combine(day + timedelta(1), time())) if day else None

    @property
    def asked(self) -> dict[str, str]:
        """Query parameters that a link needs to mean the same days."""
        days = {"on": self.on_day, "known": self.is_valid() and self.cleaned_data["known"]}
        if days["on"] == timezone.localdate():
            days["on"] = None
        return {name: roc_dates.roc_date(day) for name, day in days.items() if day}

    def clean_on(self) -> date | None:
        day: date | None = self.cleaned_data["on"]
        latest = date(timezone.localdate().year, 12, 31)
        if day and not _EARLIEST <= day <= latest:
            early, late = roc_dates.roc_date(_EARLIEST), roc_dates.roc_date(latest)
            raise forms.ValidationError(f"基準日請填 {early} 到 {late} 之間的日期。")
        return day

    def clean_known(self) -> date | None:
        day: date | None = self.cleaned_data["known"]
        if day and day >= timezone.localdate():
            raise forms.ValidationError("「以當時所知」請填今天以前的日期；要看現在的資料請留空。")
        return day


class PeopleForm(DayForm):
    """Which people of the agency, and in which order."""

    light = forms.ChoiceField(
        label="狀態",
        choices=[
            ("behind", "未達標與寬限中"),
            ("obliged", "列管（免列管除外）"),
            *WORDS.items(),
            ("", "全部"),
        ],
        required=False,
    )
    department = forms.ChoiceField(label="部門", required=False)
    identities = forms.ChoiceField(
        label="資安列管身分",
        choices=[("", "全部"), *((one, in_words(one)) for one in sets())],
        required=False,
    )
    duty = forms.RegexField(r"^52[23](\+52[23])?/[12]$", required=False, widget=forms.HiddenInput)
    q = KeywordField()
    sort = forms.ChoiceField(
        choices=[(sign + name, name) for name in SORTS for sign in ("", "-")],
        required=False,
        widget=forms.HiddenInput,
    )

    def __init__(self, query: Any, departments: Any) -> None:
        super().__init__(query)
        self.data = {"light": query.get("light", "behind"), **self.data}
        choices = [
            ("", "全部"),
            *((str(pk), name) for pk, name in departments),
            ("none", "未分部門"),
        ]
        self.fields["department"].choices = choices  # type: ignore[attr-defined]

    @property
    def search(self) -> dict[str, Any]:
        """The words of `people.chosen`; what was asked wrongly is left out."""
        names = ("light", "department", "identities", "duty", "q", "sort")
        self.is_valid()
        found = {name: self.cleaned_data.get(name, "") for name in names}
        return found | {"sort": found["sort"] or "-missing"}
