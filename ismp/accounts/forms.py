"""What may be typed at the door, and about departments."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from ismp.accounts import national_id
from ismp.accounts.models import Agency, Department
from ismp.accounts.roles import Right
from ismp.ui.forms import DeedForm, ModuleForm


def is_no_national_id(text: str) -> None:
    """What is looked for stands in addresses and logs (settings.KEYWORD_VALIDATORS)."""
    if national_id.LOOKS_LIKE.search(national_id.fold(text)):
        raise forms.ValidationError("請用公務帳號或姓名查詢，不要輸入身分證字號。")


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "公務帳號或密碼不正確，請再試一次；連續錯 5 次會鎖定 15 分鐘。",
        "inactive": "公務帳號或密碼不正確，請再試一次；連續錯 5 次會鎖定 15 分鐘。",
    }
    username = forms.CharField(
        label="公務帳號",
        max_length=50,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label="密碼",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, Any]:
        # Refused before it is looked up: a national ID must not reach the table of failures.
        if national_id.LOOKS_LIKE.search(national_id.fold(self.cleaned_data.get("username", ""))):
            raise forms.ValidationError("請輸入公務帳號，不是身分證字號。")
        return super().clean()


class OfAgencyForm(ModuleForm):
    """A form of something that belongs to an agency for good: one's own, or one that is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk or not self.user.may(Right.ALL_AGENCIES):
            self.fields.pop("agency")
        if not self.instance.pk:
            self.instance.agency = self.initial["agency"] = self.user.agency

    @property
    def agency(self) -> Agency:
        """Of the thing, as far as it is known when the form is drawn."""
        chosen = self.data.get("agency", "") if "agency" in self.fields else ""
        found = Agency.objects.filter(pk=chosen).first() if chosen.isdecimal() else None
        agency: Agency = found or self.instance.agency
        return agency


class DepartmentForm(OfAgencyForm):
    class Meta:
        model = Department
        fields = ["agency", "name", "parent", "is_it"]
        help_texts = {
            "is_it": "一個機關只有一個資訊單位；勾選後，原來的部門就不再是資訊單位。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Department.objects.visible_to(self.user).open().exclude(pk=self.instance.pk)
        in_one = self.instance.pk or not self.user.may(Right.ALL_AGENCIES)
        parent: Any = self.fields["parent"]
        parent.queryset = others.filter(agency=self.agency) if in_one else others
        parent.label_from_instance = lambda one: one.path if in_one else f"{one.agency}：{one.path}"
        parent.empty_label = "（最上層）"


class MergeForm(DeedForm):
    into = forms.ModelChoiceField(
        Department.objects.none(), label="併入的部門", empty_label="（請選擇）"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Department.objects.visible_to(self.user).open()
        others = others.filter(agency=self.things[0].agency_id)
        into: Any = self.fields["into"]
        into.queryset = others.exclude(pk__in=[one.pk for one in self.things])
        into.label_from_instance = lambda one: one.path
