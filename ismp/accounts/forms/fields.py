"""Fields of an account, and what they have in common."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.identities import Identity, as_set, members
from ismp.accounts.models import Agency, Department
from ismp.accounts.roles import Right
from ismp.ui.forms import ResourceForm, RocDateField, Suggesting
from ismp.ui.text.numbers import whole_number
from ismp.ui.text.roc_dates import roc_date

FARTHEST = timedelta(days=366)
"""A day farther ahead is a year mistyped."""
NAMED = 20
"""How many entries a form names."""


def is_no_national_id(text: str) -> None:
    """Search keywords stand in addresses and logs (`KeywordField.register`)."""
    if national_id.holds(text):
        raise forms.ValidationError("請用公務帳號或姓名查詢，不要輸入身分證字號。")


USERNAME = (RegexValidator(r"^[A-Za-z0-9._@-]+$", "公務帳號只能用英文字母、數字與 . _ @ -。"),)
"""What may be a 公務帳號."""


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


class NationalIdField(forms.CharField):
    """A number that is checked, folded, and never written back into a page."""

    keeps_text = True

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        options = {"label": "身分證字號", "max_length": 40, "required": False, "widget": widget}
        super().__init__(**{**options, **kwargs})

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
        day, last = super().to_python(value), timezone.localdate() + FARTHEST
        if day and day > last:
            raise forms.ValidationError(f"最晚只能填 {roc_date(last)}，請檢查年份。")
        return day
