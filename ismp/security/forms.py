"""What an incident report and its deeds may look like."""

from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from ismp.hours.forms import RocDateField
from ismp.security.levels import ASPECTS, SUBJECTS, Answer, Aspect, Harm, Subject, subjects_of


class MomentForm(forms.Form):
    """A ROC date and a time of day that together clean to an aware `moment`."""

    day = RocDateField(label="日期")
    clock = forms.TimeField(
        label="時間（24 小時制）",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}),
        error_messages={"invalid": "時間請寫成 14:30 的樣子。"},
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        day, clock = cleaned["day"], cleaned["clock"] or time()
        if day:
            cleaned["moment"] = timezone.make_aware(datetime.combine(day, clock))
        return cleaned


class LevelForm(forms.Form):
    """The questions of the regulation: for each aspect what was hit, and how badly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for aspect, (name, question, harms) in ASPECTS.items():
            self.fields[f"{aspect}_subject"] = forms.ChoiceField(
                label=f"{name}：{question}",
                choices=[(one.value, SUBJECTS[one]) for one in subjects_of(aspect)],
            )
            self.fields[f"{aspect}_harm"] = forms.ChoiceField(
                label=f"{name}的程度", choices=[(h.value, words) for h, words in harms.items()]
            )

    def answers(self) -> dict[Aspect, Answer]:
        cleaned = self.cleaned_data
        return {
            aspect: Answer(Subject(cleaned[f"{aspect}_subject"]), Harm(cleaned[f"{aspect}_harm"]))
            for aspect in Aspect
        }

    @staticmethod
    def given(answers: dict[Aspect, Answer]) -> dict[str, str]:
        """The form's initial values for answers given before."""
        subjects = {f"{aspect}_subject": a.subject.value for aspect, a in answers.items()}
        return subjects | {f"{aspect}_harm": a.harm.value for aspect, a in answers.items()}


class IncidentForm(MomentForm, LevelForm):
    """What somebody noticed."""

    title = forms.CharField(label="事件名稱", max_length=200)
    description = forms.CharField(
        label="發生什麼事、影響到什麼", max_length=5_000, widget=forms.Textarea(attrs={"rows": 4})
    )
    is_drill = forms.BooleanField(label="這是演練", required=False)
    field_order = ["title", "description", "day", "clock"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and "moment" not in cleaned:
            self.add_error("day", "請填寫知悉的日期。")
        return cleaned


class DeedForm(MomentForm):
    """What a deed on an incident may need: a text, and a moment."""

    text = forms.CharField(max_length=5_000, required=False)
    accept = forms.ChoiceField(choices=[("1", ""), ("0", "")], required=False)
