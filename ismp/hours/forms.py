"""What the search line of the list may look like."""

import contextlib
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts import national_id
from ismp.ui import roc

FIELDS = [("username", "公務帳號"), ("name", "姓名"), ("department", "部門單位"), ("title", "名稱")]
PER_PAGE = (20, 50, 100, 200)


class RocDateField(forms.CharField):
    """A date typed as 115-01-01, 1150101 or 115/1/1; cleans to a date or None."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"data-roc-date": "", "size": 10, "autocomplete": "off", "inputmode": "numeric"}
        super().__init__(required=False, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> Any:
        if not value:
            return None
        try:
            return roc.parse(value)
        except ValueError as error:
            raise forms.ValidationError("日期請寫成 115-01-01 的樣子。") from error


def _tidy(name: str, value: Any) -> Any:
    """A date that can be read is shown back as 115-01-01, however it was typed."""
    if name in {"start", "end"} and value:
        with contextlib.suppress(ValueError):
            return roc.roc_date(roc.parse(value))
    return value


class SearchForm(forms.Form):
    field = forms.ChoiceField(label="搜尋欄位", choices=FIELDS, required=False)
    q = forms.CharField(
        label="關鍵字",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "請輸入關鍵字查詢"}),
    )
    start = RocDateField(label="搜尋期間起日")
    end = RocDateField(label="搜尋期間迄日")

    @classmethod
    def asked(cls, query: Any) -> "SearchForm":
        """Bound to the address; without dates it asks for this ROC year."""
        year = timezone.localdate().year
        defaults = {
            "field": "username",
            "start": roc.roc_date(date(year, 1, 1)),
            "end": roc.roc_date(date(year, 12, 31)),
        }
        asked = {**defaults, **{name: query[name] for name in query if name in cls.base_fields}}
        return cls({name: _tidy(name, value) for name, value in asked.items()})

    def clean_q(self) -> str:
        text = self.cleaned_data["q"].strip()
        if national_id.LOOKS_LIKE.search(national_id.fold(text)):
            raise forms.ValidationError("請用公務帳號或姓名查詢，不要輸入身分證字號。")
        return text

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end < start:
            raise forms.ValidationError("搜尋期間的迄日早於起日，請更正。")
        return self.cleaned_data
