"""Search form of the list."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from ismp.ui import forms
from ismp.ui.forms import RocDateField
from ismp.ui.text import roc_dates

FIELDS = [("username", "公務帳號"), ("name", "姓名"), ("department", "部門單位"), ("title", "名稱")]


class SearchForm(forms.SearchForm):
    start = RocDateField(label="搜尋期間起日")
    end = RocDateField(label="搜尋期間迄日")

    def __init__(self, query: Any) -> None:
        super().__init__(query, FIELDS)

    @classmethod
    def asked(cls, query: Any) -> "SearchForm":
        """Bound to the address; without dates it asks for this ROC year."""
        year = timezone.localdate().year
        defaults = {
            "field": "username",
            "start": roc_dates.roc_date(date(year, 1, 1)),
            "end": roc_dates.roc_date(date(year, 12, 31)),
        }
        asked = {**defaults, **{name: query[name] for name in query if name in cls.base_fields}}
        return cls(asked)

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end < start:
            raise ValidationError("搜尋期間的迄日早於起日，請更正。")
        return self.cleaned_data
