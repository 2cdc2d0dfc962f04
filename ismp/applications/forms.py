"""Forms of applications."""

from typing import Any

from django import forms

from ismp.accounts.forms.fields import (
    USERNAME,
    DayField,
    DepartmentField,
    IdentitiesField,
    NationalIdField,
)
from ismp.accounts.models import Account, Agency
from ismp.ui.forms import ActionForm, Form, RocDateField, say_what_is_missing


def _reason() -> forms.CharField:
    return forms.CharField(label="理由", max_length=400, widget=forms.Textarea(attrs={"rows": 3}))


def _username() -> forms.CharField:
    attrs = {"autocomplete": "off", "spellcheck": "false"}
    widget = forms.TextInput(attrs=attrs)
    return forms.CharField(label="公務帳號", max_length=50, widget=widget, validators=USERNAME)


class RequestForm(Form):
    refuses = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_what_is_missing(self)


class ApplicationForm(RequestForm):
    """帳號申請; asks nothing of the database but the list of agencies."""

    agency = forms.ModelChoiceField(Agency.objects.open(), label="機關", empty_label="（請選擇）")
    department = forms.CharField(label="部門", max_length=90)
    username = _username()
    name = forms.CharField(label="姓名", max_length=90)
    number = NationalIdField(
        required=True, help_text="用來對應您的學習時數；加密保存，不會顯示，申請決定後就刪除。"
    )
    email = forms.EmailField(label="公務電子郵件", max_length=200)
    identities = IdentitiesField(
        help_text="業務涉及系統開發、採購或維運的人選資訊人員；不確定時選一般使用者及主管。"
    )
    reason = _reason()


class StateForm(RequestForm):
    """By receipt and 公務帳號 together: neither alone tells anything."""

    receipt = forms.CharField(
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
    name = forms.CharField(label="姓名", max_length=90, help_text="要和公務帳號相符。")
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
        agency.queryset = Agency.objects.open().exclude(pk=user.agency_id)


class RevokeLinkForm(ActionForm):
    reason = forms.CharField(
        label="撤銷理由", max_length=400, help_text="列在「同一人確認」，兩個機關看得到。"
    )


class DelegationForm(RequestForm):
    username = _username()
    since = DayField(label="起日")
    until = RocDateField(label="迄日", required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "代理人的公務帳號"
