"""Form that asks for a file for the portal."""

from typing import Any

from django import forms

from ismp.accounts.models import Account, Agency
from ismp.accounts.roles import Right
from ismp.ui.forms import Form, RocDateField


class UploadForm(Form):
    """Which completions, and where they are said to have taken place."""

    agency = forms.ModelChoiceField(Agency.objects.all(), label="機關", empty_label="（請選擇）")
    start = RocDateField(label="完成日期起", required=True)
    end = RocDateField(label="完成日期迄", required=True)
    county = forms.RegexField(
        r"^[0-9]{2}$",
        label="上課縣市代碼",
        help_text="入口網的兩位數代碼，例如臺北市是 10、新北市是 23。",
        error_messages={"invalid": "請填兩位數字，例如 10。"},
    )
    skip = forms.BooleanField(label="略過沒有身分證字號的人", required=False)

    def __init__(self, *args: Any, user: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.may(Right.ALL_AGENCIES):
            self.fields.pop("agency")

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        asked.setdefault("agency", self.user.agency if "agency" not in self.fields else None)
        start, end = asked.get("start"), asked.get("end")
        if start and end and end < start:
            raise forms.ValidationError("完成日期的迄日早於起日，請更正。")
        return asked
