"""Forms of 學習地圖管理; they do not save."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms

from ismp.accounts.forms.postings import Replacing
from ismp.accounts.identities import Identity
from ismp.accounts.models import Grade
from ismp.compliance.models import CATEGORY_SETS, WINDOWS, PolicyVersion
from ismp.hours.models import in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.ui.forms import Form, RocDateField
from ismp.ui.resources.versions import FIELD
from ismp.ui.text import roc_dates

_RECORD = re.compile(r"^(\d{3})\s+(\S+)\s+(\d{1,4}(?:\.\d{1,3})?)$", re.ASCII)


class HoursField(forms.DecimalField):
    """Hours as people write them (2.5); cleans to thousandths."""

    def __init__(self, **kwargs: Any) -> None:
        limits = {"max_digits": 7, "decimal_places": 3, "min_value": Decimal(0)}
        super().__init__(**{**limits, **kwargs})

    def clean(self, value: Any) -> Any:
        hours = super().clean(value)
        return None if hours is None else int(hours.scaleb(3))


class _Form(Form):
    """Says which field is missing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.error_messages["required"] = f"請填寫{field.label}。"


class _VersionForm(Replacing, _Form):
    """Of a version from a day on; `later` are the versions that stand after it."""

    replace_label = "取代之後的版本"

    def __init__(self, *args: Any, versions: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._versions = versions
        self.offer_replacing()
        self.newest = versions and versions.order_by("-pk").first()
        """The version that was written last, whatever day it is from."""

    @property
    def form_version(self) -> str:
        """Hidden field of the page: the version that was the last one when the form was drawn."""
        return str(self.newest.pk if self.newest else 0)

    @property
    def is_stale(self) -> bool:
        """Whether another version was written since the form was drawn; a form that does not say
        when is taken as ever."""
        return bool(self.data.get(FIELD, self.form_version) != self.form_version)

    def in_the_way(self) -> list[str]:
        since = self.day()
        if since is None or self._versions is None:
            return []
        later = self._versions.standing().filter(since__gt=since).order_by("since")
        return [one.in_words for one in later]


class ChangeForm(_VersionForm):
    """The requirement of a rule from a day on."""

    grades = forms.MultipleChoiceField(
        label="適用的責任等級", choices=Grade.choices, widget=forms.CheckboxSelectMultiple
    )
    hours = HoursField(label="時數", min_value=Decimal("0.001"))
    citation = forms.CharField(label="依據（法規與條次）", max_length=200)
    since = RocDateField(label="生效日", required=True)

    def clean_grades(self) -> str:
        return "".join(sorted(self.cleaned_data["grades"]))


class AddForm(ChangeForm):
    """A rule that is not there yet."""

    identity = forms.ChoiceField(label="資安列管身分", choices=Identity.choices)
    categories = forms.ChoiceField(label="課程類別", choices=CATEGORY_SETS.items())
    years = forms.TypedChoiceField(label="期間", choices=WINDOWS.items(), coerce=int)
    field_order = ["identity", "categories", "years"]


class EndForm(_VersionForm):
    citation = forms.CharField(label="依據（法規與條次）", max_length=200)
    since = RocDateField(label="自哪一天起停用", required=True)


class CancelForm(_Form):
    reason = forms.CharField(label="取消的理由", max_length=200)


class ExampleForm(_Form):
    title = forms.CharField(label="說明", max_length=100)
    on = RocDateField(label="基準日", required=True)
    grade = forms.ChoiceField(
        label="責任等級", choices=[("", "未核定"), *Grade.choices], required=False
    )
    records = forms.CharField(
        label="時數紀錄",
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="每行一筆：課程類別、迄日期、時數，以空白分開，例如 523 115-03-05 6",
    )
    owed = forms.BooleanField(label="有這項義務", required=False, initial=True)
    missing = HoursField(label="還差幾小時（已達標填 0）", required=False)

    def clean_records(self) -> list[list[Any]]:
        lines = [line.strip() for line in self.cleaned_data["records"].splitlines()]
        return [_record(line) for line in lines if line]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not data.pop("owed", False):
            data["missing"] = None
        elif data.get("missing") is None and "missing" not in self.errors:
            self.add_error("missing", "請填寫還差幾小時；已達標填 0。")
        return data


def _record(line: str) -> list[Any]:
    found = _RECORD.match(line)
    if not found or int(found[1]) not in CATEGORIES:
        raise forms.ValidationError(f"「{line}」請寫成 523 115-03-05 6 的樣子。")
    try:
        day = roc_dates.parse(found[2])
    except ValueError as error:
        raise forms.ValidationError(f"「{line}」的日期請寫成 115-03-05 的樣子。") from error
    return [int(found[1]), day.isoformat(), int(Decimal(found[3]).scaleb(3))]


class PolicyForm(_VersionForm):
    two_years = forms.ChoiceField(label="「兩年」怎麼算", choices=PolicyVersion.Pair.choices)
    grace_days = forms.IntegerField(
        label="新到職寬限天數",
        min_value=0,
        max_value=366,
        help_text="到職日起這麼多天內還沒做完的人是黃燈，不是紅燈；0 是不寬限。"
        "到職日是任職沒有中斷的第一天：調任不重新起算，離職隔天以後才復職就重新起算",
    )
    unlisted = forms.BooleanField(
        label="所屬等級沒有列出的身分，視為一般使用者及主管", required=False
    )
    since = RocDateField(label="生效日", required=True)


def as_posted(form: forms.Form) -> list[tuple[str, str]]:
    """Return the values as the preview hands them on to the action."""
    data: Any = form.data
    names = [*form.fields, FIELD]
    return [(name, value) for name in names for value in data.getlist(name)]


def in_words(form: forms.Form) -> list[tuple[str, str]]:
    """Return the values for a reader: (label, words)."""
    return [(str(field.label), _shown(field, form)) for field in form]


def _shown(field: Any, form: forms.Form) -> str:
    value = form.cleaned_data[field.name]
    if isinstance(field.field, forms.BooleanField):
        return "是" if value else "否"
    if isinstance(field.field, HoursField):
        return in_hours(value)
    if isinstance(value, date):
        return roc_dates.roc_date(value)
    words = dict(getattr(field.field, "choices", ()))
    if isinstance(field.field, forms.MultipleChoiceField):
        return "、".join(str(words[one]) for one in value)
    return str(words.get(value, value))


def started_from(version: Any) -> dict[str, Any]:
    """A form that begins with what holds now."""
    return {
        "grades": list(version.grades),
        "hours": in_hours(version.hours),
        "citation": version.citation,
    }
