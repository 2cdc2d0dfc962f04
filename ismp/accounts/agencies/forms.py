"""Forms about agencies."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone

from ismp.accounts.agencies import fold_code
from ismp.accounts.forms.fields import DayField
from ismp.accounts.forms.postings import Replacing
from ismp.accounts.models import (
    Account,
    Agency,
    AgencyGrade,
    AgencyName,
    Closing,
    Grade,
    SecurityOfficer,
    Status,
)
from ismp.ui.forms import ActionForm, ResourceForm
from ismp.ui.text import roc_dates
from ismp.ui.text.search_folding import one_line

if TYPE_CHECKING:
    _AgencyChoiceField = forms.ModelChoiceField[Agency]
else:
    _AgencyChoiceField = forms.ModelChoiceField


class AgencyField(_AgencyChoiceField):
    """One of the agencies that are open, by code and name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Agency.objects.none(), empty_label="（請選擇）", **kwargs)

    def offer(self, but: Any = ()) -> None:
        self.queryset = Agency.objects.open().exclude(pk__in=[one.pk for one in but if one.pk])

    def label_from_instance(self, agency: Any) -> str:
        return f"{agency.name}（{agency.code}）"


class AgencyForm(ResourceForm):
    """A new agency, or another parent or contact; another name has a day on which it begins."""

    parent = AgencyField(label="上級機關", required=False)
    refuses = ("code", "name", "contact_name")

    class Meta:
        model = Agency
        fields = ["code", "name", "parent", "contact_name", "contact_phone", "contact_email"]
        help_texts = {
            "code": "十個字的機關代碼，例如 382000000A；大小寫、全形半形都視為同一個。",
            "contact_phone": "含分機。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        parent: Any = self.fields["parent"]
        parent.offer(but=[self.instance])
        parent.empty_label = "（沒有）"
        if self.instance.pk:
            self.fields.pop("code")
            self.fields.pop("name")

    def clean_code(self) -> str:
        code = fold_code(self.cleaned_data["code"])
        if not code.isalnum() or not code.isascii():
            raise forms.ValidationError("機關代碼只能用英文字母與數字，例如 382000000A。")
        return code

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])


class AgencyEntryForm(Replacing, ActionForm):
    """Of a dated entry of one agency; `entries` is the model."""

    replace_label = "取代之後的登記"
    entries: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_replacing()

    def in_the_way(self) -> list[str]:
        since = self.day() or timezone.localdate()
        later = self.entries.objects.standing().filter(agency=self.things[0], since__gt=since)
        return [
            f"{roc_dates.roc_date(one.since)} {one.in_words}" for one in later.order_by("since")
        ]

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return thing.name if name == "name" else otherwise


class RenameForm(AgencyEntryForm):
    entries = AgencyName
    refuses = ("name",)
    name = forms.CharField(label="新的機關名稱", max_length=100)
    since = DayField(label="生效日")

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if name == self.things[0].name_on(self.day() or timezone.localdate()):
            raise forms.ValidationError("這就是那一天的名稱，請填新的名稱。")
        return name


class GradeForm(AgencyEntryForm):
    entries = AgencyGrade
    grade = forms.ChoiceField(label="責任等級", choices=[("", "（請選擇）"), *Grade.choices])
    since = DayField(label="生效日")


class OfficerForm(AgencyEntryForm):
    entries = SecurityOfficer
    account = forms.ModelChoiceField(
        Account.objects.none(), label="資安長", empty_label="（請選擇）"
    )
    deputy = forms.ModelChoiceField(
        Account.objects.none(),
        label="代理人",
        empty_label="（沒有）",
        required=False,
        help_text="資安長留職停薪或離職時，通知代理人。",
    )
    since = DayField(label="生效日")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("account", "deputy"):
            field: Any = self.fields[name]
            field.queryset = Account.objects.filter(agency=self.things[0], status=Status.ACTIVE)
            field.label_from_instance = lambda one: f"{one.name}（{one.username}）"


class CloseForm(ActionForm):
    """合併 or 裁撤; `sure` comes with the second page, which says what follows."""

    into = AgencyField(
        label="併入的機關",
        required=False,
        help_text="選了機關就是合併，人員與部門自生效日起改屬該機關；不選就是裁撤。",
    )
    since = DayField(label="生效日")
    sure = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        into: Any = self.fields["into"]
        into.offer(but=self.things)

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise


_CANCELLED = {
    "name": (AgencyName, "名稱"),
    "grade": (AgencyGrade, "責任等級"),
    "officer": (SecurityOfficer, "資安長"),
    "closing": (Closing, "合併、裁撤"),
}


class CancelEntryForm(ActionForm):
    """Which entry of an agency is to be cancelled, and why."""

    entry = forms.ChoiceField(label="取消的登記")
    reason = forms.CharField(label="理由", max_length=200, help_text="會記在異動紀錄。")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entries: dict[str, Any] = {}
        choices = [("", "（請選擇）")]
        for kind, (model, title) in _CANCELLED.items():
            entries: Any = model
            for one in entries.objects.standing().filter(agency=self.things[0]):
                self._entries[f"{kind}-{one.pk}"] = one
                day = "最早" if one.since == AgencyName.FIRST else roc_dates.roc_date(one.since)
                choices.append((f"{kind}-{one.pk}", f"{title}：{day} {one.in_words}"))
        entry: Any = self.fields["entry"]
        entry.choices = choices

    def clean_entry(self) -> Any:
        return self._entries[self.cleaned_data["entry"]]
