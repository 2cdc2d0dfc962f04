"""What may be typed into a request.  What is typed into a text by mistake is hidden at once."""

from typing import Any

from django import forms

from ismp.accounts import national_id
from ismp.accounts.forms import (
    USERNAME,
    DayField,
    DepartmentField,
    IdentitiesField,
    NationalIdField,
)
from ismp.accounts.models import Account, Agency
from ismp.ui.forms import RocDateField, say_what_is_missing


class HidingField(forms.CharField):
    """A text that shows no national ID, neither stored nor when the form comes back."""

    def to_python(self, value: Any) -> str:
        return national_id.hide(super().to_python(value) or "")

    def prepare_value(self, value: Any) -> Any:
        return national_id.hide(value) if isinstance(value, str) else value


def _reason() -> HidingField:
    return HidingField(label="理由", max_length=400, widget=forms.Textarea(attrs={"rows": 3}))


def _username() -> HidingField:
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    widget = forms.TextInput(attrs=attrs)
    return HidingField(label="公務帳號", max_length=50, widget=widget, validators=USERNAME)


class RequestForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_what_is_missing(self)


class ApplicationForm(RequestForm):
    """帳號申請; asks nothing of the database but the list of agencies."""

    agency = forms.ModelChoiceField(Agency.objects.all(), label="機關", empty_label="（請選擇）")
    department = HidingField(label="部門", max_length=90)
    username = _username()
    name = HidingField(label="姓名", max_length=90)
    number = NationalIdField(
        required=True, help_text="用來對應您的學習時數；加密保存，不會顯示，申請決定後就刪除。"
    )
    email = forms.EmailField(label="公務電子郵件", max_length=200)
    identities = IdentitiesField(
        help_text="業務涉及系統開發、採購或維運的人選資訊人員；不確定時選一般使用者及主管。"
    )
    reason = _reason()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if national_id.LOOKS_LIKE.search(email):
            # Not shown again: the form that comes back would hold the number.
            typed: Any = self.data
            self.data = typed = typed.copy()
            typed["email"] = ""
            raise forms.ValidationError("電子郵件裡不要有身分證字號，請填公務電子郵件。")
        return email


class StateForm(RequestForm):
    """By receipt and 公務帳號 together: neither alone tells anything."""

    receipt = HidingField(
        label="收件編號", max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    username = _username()


class IdentitiesForm(RequestForm):
    identities = IdentitiesField(help_text="請勾選變更後的全部身分。")
    since = DayField(label="生效日")
    reason = _reason()


class ComingForm(RequestForm):
    """調入: a person of another agency."""

    username = _username()
    name = HidingField(label="姓名", max_length=90, help_text="要和公務帳號相符。")
    department = DepartmentField(label="調入後的部門")
    since = DayField(label="生效日")
    reason = _reason()

    def __init__(self, *args: Any, user: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        department: Any = self.fields["department"]
        department.offer(user.agency)

    def clean_department(self) -> Any:
        return DepartmentField.find(self.user.agency, self.cleaned_data["department"])


class GoingForm(RequestForm):
    """調出: a person of one's own agency."""

    username = _username()
    agency = forms.ModelChoiceField(
        Agency.objects.none(), label="調往機關", empty_label="（請選擇）"
    )
    since = DayField(label="生效日")
    reason = _reason()

    def __init__(self, *args: Any, user: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agency: Any = self.fields["agency"]
        agency.queryset = Agency.objects.exclude(pk=user.agency_id)


class DelegationForm(RequestForm):
    username = _username()
    since = DayField(label="起日")
    until = RocDateField(label="迄日", required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "代理人的公務帳號"
