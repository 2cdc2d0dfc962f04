"""Forms about accounts."""

from typing import Any

from django import forms

from ismp.accounts.forms.fields import (
    USERNAME,
    DayField,
    DepartmentField,
    IdentitiesField,
    NationalIdField,
    OfAgencyForm,
)
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, Department, Leave
from ismp.accounts.roles import ROLE_NAMES
from ismp.ui.forms import ActionForm, Form


class AccountForm(OfAgencyForm):
    """A new account, or another name or address; all else has a day on which it begins."""

    tells: tuple[str, ...] = ("since",)
    refuses = ("username", "name", "email", "department")
    department = DepartmentField(label="部門")
    identities = IdentitiesField(initial=Identity.GENERAL.value)
    number = NationalIdField(help_text="匯入時數以它對應帳號；加密保存，不會顯示。")
    since = DayField(label="到職日")

    class Meta:
        model = Account
        fields = ["agency", "username", "name", "email", "identities"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        order = ["agency", "username", "name", "number", "department", "identities", "email"]
        self.order_fields(order)
        if self.instance.pk:
            for name in ("username", "number", "department", "identities", "since"):
                self.fields.pop(name)
            self.tells = ()
            return
        self.fields["username"].validators.extend(USERNAME)
        department: Any = self.fields["department"]
        department.offer(self.agency)

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        self.instance.national_id = number
        return ""

    def clean_department(self) -> Department | None:
        found = DepartmentField.find(self.agency, self.cleaned_data["department"])
        self.instance.department = found
        return found


class ReasonForm(ActionForm):
    """An action that is done with a reason."""

    reason = forms.CharField(label="理由", max_length=200, help_text="會記在異動紀錄，並通知本人。")


class WithdrawalForm(ReasonForm):
    field_order = ["leave", "reason"]
    leave = forms.ModelChoiceField(Leave.objects.none(), label="留職停薪", empty_label="（請選擇）")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        leave: Any = self.fields["leave"]
        leave.queryset = Leave.objects.filter(account__in=self.things, withdrawn_at=None)
        leave.label_from_instance = lambda one: one.in_words


class RoleForm(ActionForm):
    role = forms.ChoiceField(label="角色")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role: Any = self.fields["role"]
        role.choices = [(one.value, ROLE_NAMES[one]) for one in self.user.appoints()]


class NumberForm(ActionForm):
    number = NationalIdField(help_text="留空就移除原來的身分證字號。")


class IdentifiedForm(ActionForm):
    identified = forms.BooleanField(label="我已當面或以電話確認，是本人要求重設密碼")


class OnBehalfForm(Form):
    """Saying that one acts in an agency's place, and why (`separation.on_behalf_of`)."""

    on_behalf = forms.BooleanField(label="代為辦理", required=False)
    on_behalf_because = forms.CharField(
        label="代辦原因",
        max_length=200,
        required=False,
        help_text="勾選代辦時必填；會留在紀錄裡，機關看得到。",
    )

    def clean(self) -> dict[str, Any]:
        """One value, `on_behalf`: the reason, empty without the tick."""
        typed = self.cleaned_data
        because, ticked = typed.pop("on_behalf_because", ""), typed.get("on_behalf")
        typed["on_behalf"] = because if ticked else ""
        if ticked and not because:
            self.add_error("on_behalf_because", "請填寫代辦原因，會留在紀錄裡。")
        return typed


class OfTheAgencyForm(ActionForm, OnBehalfForm):
    """Form of an action that belongs to its objects' agencies; others must also tick a box."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        foreign = sorted({one.agency.name for one in self.things} - {self.user.agency.name})
        self.fields["on_behalf"].label = f"代{'、'.join(foreign)}辦理"
        self.order_fields([name for name in self.fields if not name.startswith("on_behalf")])
        if not foreign:
            self.fields.pop("on_behalf")
            self.fields.pop("on_behalf_because")
