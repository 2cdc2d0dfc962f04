"""Forms of a page's text, of a ticket, and of a certificate's period."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.courses.models import Category
from ismp.imports.models import ImportRun
from ismp.portal.models import Page
from ismp.ui.forms import Form, RocDateField, SearchForm

_MOST_KEYWORDS = 8
_LONGEST_KEYWORD = 20
_NO_DAY = {"required": "請填寫證明的起日與迄日，例如 115-01-01。"}


class PageForm(Form):
    body = forms.CharField(
        label="內容",
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 24}),
        error_messages={
            "required": "內容是空的；請寫下內容再儲存。",
            "max_length": "內容超過 50,000 字；請刪短後再儲存。",
        },
    )
    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    """The number of the version that the form was drawn from."""

    def __init__(self, page: Page, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.page = page

    def clean_body(self) -> str:
        body: str = self.cleaned_data["body"].replace("\r\n", "\n")
        if self.page != Page.KEYWORDS:
            return body
        words = [word for line in body.split("\n") if (word := line.strip())]
        if len(words) > _MOST_KEYWORDS or any(len(word) > _LONGEST_KEYWORD for word in words):
            raise forms.ValidationError(
                f"每行一個關鍵字，最多 {_MOST_KEYWORDS} 個，每個最多 {_LONGEST_KEYWORD} 字；"
                "請刪減後再儲存。"
            )
        return "\n".join(words)


def _text(label: str, longest: int, missing: str = "", **more: Any) -> forms.CharField:
    """A text with a sentence for each way in which it can be wrong."""
    too_long = f"「{label}」超過 {longest:,} 字；請刪短後再送出。"
    messages = {"required": missing, "max_length": too_long}
    return forms.CharField(label=label, max_length=longest, error_messages=messages, **more)


class PeriodForm(Form):
    """The period of a certificate."""

    start = RocDateField(label="起日", required=True, error_messages=_NO_DAY)
    end = RocDateField(label="迄日", required=True, error_messages=_NO_DAY)

    @staticmethod
    def this_year() -> dict[str, date]:
        today = timezone.localdate()
        return {"start": today.replace(month=1, day=1), "end": today}

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and end < start:
            raise forms.ValidationError("迄日早於起日，請更正後再按「下載時數證明」。")
        return self.cleaned_data


class CourseSearch(SearchForm):
    """課程搜尋: words of a title, in one of the categories or in all."""

    category = forms.ChoiceField(choices=[("", "全部"), *Category.choices], required=False)


class TicketForm(Form):
    """報修: what, where, and how to be reached."""

    subject = _text("什麼事", 100, "請用一句話寫下是什麼事。")
    place = _text("在哪裡", 200, required=False)
    body = _text(
        "說明",
        4_000,
        "請說明您做了什麼、看到什麼。",
        widget=forms.Textarea(attrs={"rows": 8}),
    )
    contact = _text("聯絡方式", 200, "請留下分機或電子郵件，我們才能回覆您。")
    run = forms.ModelChoiceField(ImportRun.objects.none(), required=False, widget=forms.HiddenInput)

    def __init__(self, by: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["run"].queryset = ImportRun.objects.visible_to(by)  # type: ignore[attr-defined]


class AnswerForm(Form):
    body = _text("回覆", 4_000, "請寫下內容再送出。", widget=forms.Textarea(attrs={"rows": 5}))
