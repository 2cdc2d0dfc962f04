"""Forms about where and as what somebody serves."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts import timeline
from ismp.accounts.forms.accounts import ReasonForm
from ismp.accounts.forms.fields import NAMED, DayField, DepartmentField, IdentitiesField
from ismp.accounts.models import Agency, Leave, Posting
from ismp.ui.forms import ActionForm, RocDateField
from ismp.ui.text.numbers import whole_number


class Replacing:
    """Mixed into the form of a dated entry: it names the entries that stand in the way of it, and
    asks whether to replace them.  Whoever makes the form calls `offer_replacing`."""

    replace_label = "取代之後的異動"

    def in_the_way(self) -> list[str]:
        """List the later entries that this one would replace, each in words."""
        raise NotImplementedError

    def offer_replacing(self) -> None:
        form: Any = self
        self._named = self.in_the_way()[:NAMED]
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


class CancelServiceForm(ReasonForm):
    """Which entry of a person's service is to be cancelled, and what would stand then."""

    entry = forms.ModelChoiceField(
        Posting.objects.none(), label="取消的登記", empty_label="（請選擇）"
    )
    field_order = ["entry", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {step.entry.pk: str(step) for step in timeline.build(self.things[0])}
        entry: Any = self.fields["entry"]
        entry.queryset = Posting.objects.filter(pk__in=words).order_by("-since")
        entry.label_from_instance = lambda one: words[one.pk]
        named = self.data.get("entry") or self.initial.get("entry")
        chosen = entry.queryset.filter(pk=whole_number(str(named))).first()
        if chosen:
            stands = "；".join(map(str, timeline.without(chosen)))
            entry.help_text = f"取消後的任職紀錄：{stands or '沒有任何紀錄'}。"
