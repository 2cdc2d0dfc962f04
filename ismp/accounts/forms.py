"""Forms of signing in, of departments and of accounts."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import validate_password
from django.core.validators import RegexValidator
from django.utils import timezone

from ismp.accounts import national_id, timeline
from ismp.accounts.identities import Identity, as_set, members
from ismp.accounts.models import Account, Agency, Department, Leave, Posting
from ismp.accounts.roles import ROLE_NAMES, Right
from ismp.ui.forms import ActionForm, Form, ResourceForm, RocDateField, Suggesting, TextMask
from ismp.ui.text.numbers import whole_number
from ismp.ui.text.roc_dates import roc_date

_FARTHEST = timedelta(days=366)
"""A day farther ahead is a year mistyped."""
_NAMED = 20
"""How many entries a form names."""


def is_no_national_id(text: str) -> None:
    """Search keywords stand in addresses and logs (`KeywordField.register`)."""
    if national_id.holds(text):
        raise forms.ValidationError("請用公務帳號或姓名查詢，不要輸入身分證字號。")


USERNAME = (RegexValidator(r"^[A-Za-z0-9._@-]+$", "公務帳號只能用英文字母、數字與 . _ @ -。"),)
"""What may be a 公務帳號."""


class SignInForm(TextMask, AuthenticationForm):
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
        # Refused before it is looked up: what was typed by mistake is no failure of anybody's.
        if "username" in self.masked:
            raise forms.ValidationError("請輸入公務帳號，不是身分證字號。")
        return super().clean()


class OldPasswordForm(TextMask, PasswordChangeForm):
    """A new password beside the old one, which is guessed no oftener than at the door."""

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        typed: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=typed) is None:
            raise forms.ValidationError("舊密碼不對，請再輸入一次；連續錯 5 次會鎖定 15 分鐘。")
        return typed


class ResetForm(Form):
    """Setting a new password by the code that an administrator has handed over."""

    refuses = ("username",)

    username = forms.CharField(
        label="公務帳號",
        max_length=50,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    code = forms.CharField(
        label="一次性代碼",
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    password = forms.CharField(
        label="新密碼",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="再輸入一次新密碼",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        if typed.get("password") != typed.get("again"):
            raise forms.ValidationError("兩次輸入的新密碼不同，請重新輸入。")
        return typed

    def check_password(self, account: Account) -> bool:
        """Whether the new password will do for this person; says why not."""
        try:
            validate_password(self.cleaned_data["password"], account)
        except forms.ValidationError as faults:
            self.add_error("password", faults)
        return self.is_valid()


class OfAgencyForm(ResourceForm):
    """A form of something that belongs to an agency for good: one's own, or one that is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk or not self.user.may(Right.ALL_AGENCIES):
            self.fields.pop("agency")
        else:
            agency: Any = self.fields["agency"]
            agency.queryset, agency.label = Agency.objects.open(), "機關"
        if not self.instance.pk:
            self.instance.agency = self.initial["agency"] = self.user.agency

    @property
    def agency(self) -> Agency:
        """Of the thing, as far as it is known when the form is drawn."""
        chosen = whole_number(self.data.get("agency")) if "agency" in self.fields else None
        found = Agency.objects.filter(pk=chosen or 0).first()
        agency: Agency = found or self.instance.agency
        return agency


class DepartmentField(forms.CharField):
    """A department by its name, which is one in its agency; the form finds it in `clean`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, required=False, widget=Suggesting(), **kwargs)

    def offer(self, agency: Agency, but: int | None = None) -> None:
        names = Department.objects.filter(agency=agency).open().exclude(pk=but or 0)
        suggesting: Any = self.widget
        suggesting.offers = lambda: names.values_list("name", flat=True)
        suggesting.attrs["list"] = "id_department_offers"

    @staticmethod
    def find(agency: Agency, name: str) -> Department | None:
        if not name:
            return None
        found = Department.objects.filter(agency=agency, name=name).open().first()
        if found is None:
            raise forms.ValidationError(
                f"「{agency}」沒有使用中的部門「{name}」，請改填其他部門，或先到部門管理新增。"
            )
        return found


class DepartmentForm(OfAgencyForm):
    refuses = ("name", "department")
    settles = ("is_it",)
    department = DepartmentField(label="上級部門", help_text="最上層的部門免填。")

    class Meta:
        model = Department
        fields = ["agency", "name", "is_it"]
        help_texts = {
            "is_it": "一個機關只有一個資訊單位；勾選後，原來的部門就不再是資訊單位。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["agency", "name", "department", "is_it"])
        department: Any = self.fields["department"]
        department.offer(self.agency, but=self.instance.pk)
        department.initial = self.instance.parent.name if self.instance.parent else ""

    def clean_department(self) -> str:
        name: str = self.cleaned_data["department"]
        self.instance.parent = DepartmentField.find(self.agency, name)
        return name


class MergeForm(ActionForm):
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


class NationalIdField(forms.CharField):
    """A number that is checked, folded, and never written back into a page."""

    keeps_text = True

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        told = {"label": "身分證字號", "max_length": 40, "required": False, "widget": widget}
        super().__init__(**{**told, **kwargs})

    def prepare_value(self, value: Any) -> str:
        return ""

    def clean(self, value: Any) -> str:
        number = national_id.fold(super().clean(value))
        if number and not national_id.is_valid(number):
            raise forms.ValidationError("身分證字號的格式或檢查碼不對，請重新輸入。")
        return number


class IdentitiesField(forms.MultipleChoiceField):
    """資安列管身分: one or several; cleans to the text of the set."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="資安列管身分",
            choices=Identity.choices,
            widget=forms.CheckboxSelectMultiple,
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return members(value) if isinstance(value, str) and value else value

    def clean(self, value: Any) -> str:
        return as_set(super().clean(value))


class DayField(RocDateField):
    """The day from which something holds: today, unless another is typed, a year ahead at most."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=True, initial=timezone.localdate, **kwargs)

    def to_python(self, value: Any) -> Any:
        day, last = super().to_python(value), timezone.localdate() + _FARTHEST
        if day and day > last:
            raise forms.ValidationError(f"最晚只能填 {roc_date(last)}，請檢查年份。")
        return day


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


class Replacing:
    """Mixed into the form of a dated entry: it names the entries that stand in the way of it, and
    asks whether to replace them.  Whoever makes the form calls `offer_replacing`."""

    replace_label = "取代之後的異動"

    def in_the_way(self) -> list[str]:
        """List the later entries that this one would replace, each in words."""
        raise NotImplementedError

    def offer_replacing(self) -> None:
        form: Any = self
        self._named = self.in_the_way()[:_NAMED]
        if self._named:
            form.fields["replace"] = forms.BooleanField(
                label=self.replace_label,
                required=False,
                help_text=f"勾選後會取消：{'；'.join(self._named)}。取消的登記仍看得到。",
            )

    def day(self, name: str = "since") -> date | None:
        """A day as it was typed, before the form is checked."""
        form: Any = self
        try:
            day: date | None = form.fields[name].clean(form.data.get(name))
        except forms.ValidationError:
            return None
        return day

    def clean(self) -> dict[str, Any]:
        form: Any = self
        if self._named and not form.cleaned_data.get("replace"):
            form.add_error(
                "replace",
                f"之後已有登記：{'；'.join(self._named)}。請改填更後面的日期，"
                f"或勾選「{self.replace_label}」。",
            )
        typed: dict[str, Any] = form.cleaned_data
        return typed


class EntryForm(Replacing, ActionForm):
    """Of an entry of people's service."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_replacing()

    def in_the_way(self) -> list[str]:
        later = timeline.later_of_each(self.things, self.day() or timezone.localdate())
        return [f"{one.name} {step}" for one, steps in later.items() for step in steps]


class ChangeForm(EntryForm):
    """Another department or another set of identities, from a day on."""

    refuses = ("department",)

    department = DepartmentField(label="部門", help_text="不填就不變更部門。")
    identities = IdentitiesField(required=False, help_text="都不勾就不變更身分。")
    since = DayField(label="生效日")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        department: Any = self.fields["department"]
        department.offer(self.things[0].agency)

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise if name == "since" else getattr(thing, name)

    def clean(self) -> dict[str, Any]:
        typed = super().clean()
        name = typed.pop("department", "")
        if not name and not typed.get("identities"):
            raise forms.ValidationError("請填要變更的部門或身分。")
        if len({one.agency_id for one in self.things}) > 1 and name:
            raise forms.ValidationError("勾選的人分屬不同機關，部門請依機關分次變更。")
        typed["department"] = DepartmentField.find(self.things[0].agency, name)
        return typed


class TransferForm(EntryForm):
    agency = forms.ModelChoiceField(
        Agency.objects.none(), label="調往機關", empty_label="（請選擇）"
    )
    since = DayField(label="生效日")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agency: Any = self.fields["agency"]
        agency.queryset = Agency.objects.open().exclude(
            pk__in=[one.agency_id for one in self.things]
        )

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise


class SinceForm(EntryForm):
    since = DayField(label="生效日")


class LeaveForm(EntryForm):
    replace_label = "取代重疊的登記"
    since = DayField(label="起日")
    until = RocDateField(label="迄日", help_text="還不知道就免填。")
    reason = forms.CharField(label="事由", max_length=100)

    def in_the_way(self) -> list[str]:
        since = self.day()
        if since is None:
            return []
        leaves: Any = Leave.objects.filter(account=self.things[0])
        return [one.in_words for one in leaves.overlapping(since, self.day("until"))]


class ReasonForm(ActionForm):
    """An action that is done with a reason."""

    reason = forms.CharField(label="理由", max_length=200, help_text="會記在異動紀錄，並通知本人。")


class CancelServiceForm(ReasonForm):
    """Which entry of a person's service is to be cancelled, and what would stand then."""

    entry = forms.ModelChoiceField(
        Posting.objects.none(), label="取消的登記", empty_label="（請選擇）"
    )
    field_order = ["entry", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {step.entry.pk: str(step) for step in timeline.of(self.things[0])}
        entry: Any = self.fields["entry"]
        entry.queryset = Posting.objects.filter(pk__in=words).order_by("-since")
        entry.label_from_instance = lambda one: words[one.pk]
        named = self.data.get("entry") or self.initial.get("entry")
        chosen = entry.queryset.filter(pk=whole_number(str(named))).first()
        if chosen:
            stands = "；".join(map(str, timeline.without(chosen)))
            entry.help_text = f"取消後的任職紀錄：{stands or '沒有任何紀錄'}。"


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
