"""What may be typed about incidents, devices and advisories; knows nothing of saving."""

from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts.forms import OfAgencyForm
from ismp.accounts.models import Account, Agency, Status
from ismp.security.levels import ASPECTS, SUBJECTS, Answer, Aspect, Harm, Subject, subjects_of
from ismp.security.models import (
    Advisory,
    Campaign,
    Cause,
    Device,
    Reply,
    RestrictedProduct,
)
from ismp.ui.forms import DeedForm, Form, ModuleForm, RocDateField

CLOCK = {"size": 6, "inputmode": "numeric", "placeholder": "14:30", "autocomplete": "off"}
"""As text: the browser's own field shows AM and PM where its language does."""


class MomentForm(Form):
    """A ROC date and a time of day that together clean to an aware `moment`."""

    day = RocDateField(label="日期")
    clock = forms.TimeField(
        label="時間（24 小時制）",
        required=False,
        widget=forms.TimeInput(attrs=CLOCK, format="%H:%M"),
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


class LevelForm(Form):
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


class StepForm(MomentForm):
    """What a deed on an incident may need: a text, and a moment."""

    text = forms.CharField(max_length=5_000, required=False)
    accept = forms.ChoiceField(choices=[("1", ""), ("0", "")], required=False)
    cause = forms.ChoiceField(choices=[("", "尚未查明"), *Cause.choices], required=False)


# --- 管制設備 ----------------------------------------------------------------------------------


class OfficerForm(Form):
    account = forms.ModelChoiceField(
        Account.objects.none(), label="資安長", empty_label="（請選擇）"
    )

    def __init__(self, *args: Any, agency: Agency, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Any = self.fields["account"]
        account.queryset = Account.objects.filter(agency=agency, status=Status.ACTIVE)
        account.label_from_instance = lambda one: f"{one.name}（{one.username}）"


class DeviceForm(OfAgencyForm):
    refuses = ("brand", "model")
    codes = ("asset_no", "serial")
    bought_on = RocDateField(label="購置日期")
    retire_by = RocDateField(label="預計汰換日期")

    class Meta:
        model = Device
        fields = [
            "agency",
            "asset_no",
            "kind",
            "category",
            "brand",
            "model",
            "serial",
            "quantity",
            "place",
            "department",
            "keeper",
            "network",
            "bought_on",
            "retire_by",
        ]


class RetireByForm(DeedForm):
    retire_by = RocDateField(label="汰換期限", required=True)


class KeepForm(DeedForm):
    reason = forms.CharField(label="留用理由（業務需要、無其他替代方案）", max_length=500)
    measure = forms.CharField(label="補償措施（例如獨立網段、停用遠端維護）", max_length=500)
    expires_on = RocDateField(label="有效期限", required=True)


class ReasonForm(DeedForm):
    reason = forms.CharField(label="理由", max_length=500)


class ExtendCampaignForm(DeedForm):
    due_on = RocDateField(label="展延到", required=True)
    reason = forms.CharField(label="理由", max_length=500)


class RetiredForm(DeedForm):
    retired_on = RocDateField(label="汰換日期", required=True)


class CommentForm(DeedForm):
    comment = forms.CharField(label="意見（不同意時必填）", max_length=500, required=False)


class ProductForm(ModuleForm):
    refuses = ("brand", "model")
    issued_on = RocDateField(label="發文日期", required=True)

    class Meta:
        model = RestrictedProduct
        fields = ["brand", "model", "letter", "issued_on"]
        help_texts = {"model": "空白表示整個廠牌；* 代表任何文字，例如 DS-*。"}


class LiftForm(DeedForm):
    ended_on = RocDateField(label="解除日期（這一天仍受限制）", required=True)


class CampaignForm(ModuleForm):
    due_on = RocDateField(label="期限", required=True)

    class Meta:
        model = Campaign
        fields = ["year", "due_on"]
        help_texts = {"year": "民國年，例如 115。"}


# --- 資安情資 ----------------------------------------------------------------------------------


class ProductsField(forms.CharField):
    """One product a line, `廠牌｜產品｜版本`; cleans to what an advisory keeps."""

    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value: Any) -> Any:
        lines = [line for line in str(value or "").splitlines() if line.strip()]
        parts = [[part.strip() for part in line.replace("|", "｜").split("｜")] for line in lines]
        if any(len(part) > 3 or not part[0] for part in parts):
            raise forms.ValidationError("每行一項產品，寫成「廠牌｜產品｜版本」。")
        padded = [[*part, "", ""][:3] for part in parts]
        return [dict(zip(("vendor", "product", "versions"), part, strict=True)) for part in padded]

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return "\n".join("｜".join(one.values()) for one in value)
        return value


class ListField(forms.CharField):
    """Words separated by commas or lines."""

    def to_python(self, value: Any) -> Any:
        return [
            word.upper() for word in str(value or "").replace("、", ",").replace(",", " ").split()
        ]

    def prepare_value(self, value: Any) -> Any:
        return "、".join(value) if isinstance(value, list) else value


class AdvisoryForm(ModuleForm):
    issued_on = RocDateField(label="發布日期", required=True)
    cves = ListField(label="CVE（以「、」分隔）", required=False)
    products = ProductsField(
        label="受影響產品", required=False, help_text="每行一項，寫成「廠牌｜產品｜版本」。"
    )

    class Meta:
        model = Advisory
        fields = [
            "title",
            "severity",
            "tlp",
            "source",
            "issued_on",
            "cves",
            "products",
            "body",
            "action",
        ]


class PublishForm(DeedForm):
    agencies = forms.ModelMultipleChoiceField(
        Agency.objects.all(), label="發布給", widget=forms.CheckboxSelectMultiple
    )
    due_on = RocDateField(label="回覆期限", help_text="留白表示用情資裡的期限。")
    without_due = forms.BooleanField(
        label="不設回覆期限（機關不會逾期，也不會被提醒）", required=False
    )


class ExtendForm(DeedForm):
    due_on = RocDateField(label="新的回覆期限", required=True)
    reason = forms.CharField(label="展延理由", max_length=500)


class AnswerForm(DeedForm):
    reply = forms.ChoiceField(
        label="回覆", choices=[one for one in Reply.choices if one[0] != Reply.NONE]
    )
    evidence = forms.CharField(
        label="處理情形與佐證", max_length=5_000, widget=forms.Textarea(attrs={"rows": 4})
    )


class FileForm(Form):
    file = forms.FileField(label="檔案", error_messages={"required": "請先選擇檔案。"})
