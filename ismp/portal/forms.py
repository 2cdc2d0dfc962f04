"""What may be written into a page of the portal."""

from typing import Any

from django import forms

from ismp.portal.models import Page

_MOST_KEYWORDS = 8
_LONGEST_KEYWORD = 20


class PageForm(forms.Form):
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
    """The number of the version that the writer had before her."""

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
