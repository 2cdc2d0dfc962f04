"""Forms of incidents, devices and advisories; they do not save."""

import re
import unicodedata
from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from ismp.accounts.forms.accounts import OfTheAgencyForm
from ismp.accounts.forms.fields import OfAgencyForm
from ismp.accounts.models import Account, Agency, Grade, Status
from ismp.security.incidents.levels import (
    ASPECTS,
    SUBJECTS,
    Answer,
    Aspect,
    Harm,
    Subject,
    subjects_of,
)
from ismp.security.intelligence.cve import CVE_ID
from ismp.security.models import (
    Advisory,
    AgencyGroup,
    Campaign,
    Cause,
    Device,
    Origin,
    Reply,
    RestrictedProduct,
    Tlp,
    Vendor,
)
from ismp.ui.forms import ActionForm, Form, ResourceForm, RocDateField
from ismp.ui.text.search_folding import one_line

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


class EditIncidentForm(MomentForm):
    """Fields of a report that may be corrected later."""

    title = forms.CharField(label="事件名稱", max_length=200)
    description = forms.CharField(
        label="發生什麼事、影響到什麼", max_length=5_000, widget=forms.Textarea(attrs={"rows": 4})
    )
    field_order = ["title", "description", "day", "clock"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and "moment" not in cleaned:
            self.add_error("day", "請填寫知悉的日期。")
        return cleaned


class IncidentForm(EditIncidentForm, LevelForm):
    """Fields of a first report."""

    is_drill = forms.BooleanField(label="這是演練", required=False)


class ExceptionForm(Form):
    """The decision of a 資安長 on an exception."""

    accept = forms.ChoiceField(choices=[("1", "核可"), ("0", "不同意")])
    comment = forms.CharField(max_length=500, required=False)


class StepForm(MomentForm):
    """Fields that an action on an incident may need: a text, and a moment."""

    text = forms.CharField(max_length=5_000, required=False)
    accept = forms.ChoiceField(choices=[("1", ""), ("0", "")], required=False)
    cause = forms.ChoiceField(choices=[("", "尚未查明"), *Cause.choices], required=False)


# --- 管制設備 ----------------------------------------------------------------------------------


class OfficerForm(Form):
    account = forms.ModelChoiceField(
        Account.objects.none(), label="資安長", empty_label="（請選擇）"
    )

    deputy = forms.ModelChoiceField(
        Account.objects.none(), label="代理人", empty_label="（沒有）", required=False
    )

    def __init__(self, *args: Any, agency: Agency, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("account", "deputy"):
            field: Any = self.fields[name]
            field.queryset = Account.objects.filter(agency=agency, status=Status.ACTIVE)
            field.label_from_instance = lambda one: f"{one.name}（{one.username}）"

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = super().clean() or self.cleaned_data
        if typed.get("account") and typed.get("account") == typed.get("deputy"):
            self.add_error("deputy", "代理人不能是資安長本人，請重新選擇。")
        return typed


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
            "custodian",
            "network",
            "bought_on",
            "retire_by",
        ]


class RetireByForm(OfTheAgencyForm):
    retire_by = RocDateField(label="汰換期限", required=True)


class KeepForm(OfTheAgencyForm):
    reason = forms.CharField(label="留用理由（業務需要、無其他替代方案）", max_length=500)
    measure = forms.CharField(label="補償措施（例如獨立網段、停用遠端維護）", max_length=500)
    expires_on = RocDateField(label="有效期限", required=True)


class ReasonForm(ActionForm):
    reason = forms.CharField(label="理由", max_length=500)


class ExtendCampaignForm(ActionForm):
    due_on = RocDateField(label="展延到", required=True)
    reason = forms.CharField(label="理由", max_length=500)


class RetiredForm(ActionForm):
    retired_on = RocDateField(label="汰換日期", required=True)


class CommentForm(ActionForm):
    comment = forms.CharField(label="意見（不同意時必填）", max_length=500, required=False)


class ProductForm(ResourceForm):
    refuses = ("brand", "model")
    issued_on = RocDateField(label="發文日期", required=True)

    class Meta:
        model = RestrictedProduct
        fields = ["brand", "model", "letter", "issued_on"]
        help_texts = {"model": "空白表示整個廠牌；* 代表任何文字，例如 DS-*。"}


class LiftForm(ActionForm):
    ended_on = RocDateField(label="解除日期（這一天仍受限制）", required=True)


class CampaignForm(ResourceForm):
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
            names = ("vendor", "product", "versions")
            return "\n".join("｜".join(one[name] for name in names) for one in value)
        return value


class CvesField(forms.CharField):
    """CVE numbers, one a line or separated by 、; cleans to a list in which each stands once."""

    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value: Any) -> Any:
        words = _SEPARATORS.split(unicodedata.normalize("NFKC", str(value or "")).upper())
        found = list(dict.fromkeys(filter(None, words)))
        for word in found:
            if not CVE_ID.fullmatch(word):
                raise forms.ValidationError(
                    f"「{word[:40]}」不是 CVE 編號；請寫成 CVE-2026-0001 的樣子，"
                    "每行一個，或以「、」分隔。"
                )
        if len(found) > _MOST_CVES:
            raise forms.ValidationError(f"最多 {_MOST_CVES} 個 CVE，請分成幾則情資。")
        return found

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


_SEPARATORS = re.compile(r"[\s,;、]+")
"""Of what is folded to half width already."""
_MOST_CVES = 500


class NamesField(forms.CharField):
    """Names, one a line or separated by 、; cleans to a text in which each stands once."""

    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value: Any) -> Any:
        words = re.split(r"[\r\n、,;，；]+", str(value or ""))
        found = list(dict.fromkeys(filter(None, map(one_line, words))))
        if any(len(word) > 100 for word in found) or len(found) > 50:
            raise forms.ValidationError("每個別名最多 100 個字，最多 50 個。")
        return "、".join(found)


class AdvisoryForm(ResourceForm):
    issued_on = RocDateField(label="發布日期", required=True)
    cves = CvesField(label="CVE", required=False, help_text="每行一個，或以「、」分隔。")
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [one for one in Tlp.choices if one[0] != Tlp.UNKNOWN]
        is_unknown = self.instance.tlp == Tlp.UNKNOWN
        self.fields["tlp"] = forms.ChoiceField(
            label="TLP",
            choices=[("", "（來源的標記無法辨識，請選擇）"), *known] if is_unknown else known,
            initial="" if is_unknown else self.instance.tlp,
            error_messages={"required": "來源的標記無法辨識，請選擇 TLP。"},
        )
        if is_unknown:
            self.initial["tlp"] = ""
        if self.instance.origin != Origin.HAND:
            self.fields["source"].disabled = True
            self.fields["source"].help_text = "情資檔案裡的來源，不能改。"


class PublishForm(ActionForm):
    """To whom, and by when they answer."""

    everybody = forms.BooleanField(label="全選：發布給所有機關", required=False)
    with_device = forms.BooleanField(label="清冊裡有這些廠牌設備的機關", required=False)
    grades = forms.MultipleChoiceField(
        label="責任等級",
        choices=Grade.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    group = forms.ModelChoiceField(
        AgencyGroup.objects.all(), label="機關群組", empty_label="（不用群組）", required=False
    )
    agencies = forms.ModelMultipleChoiceField(
        Agency.objects.open(),
        label="逐一選擇機關",
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    due_on = RocDateField(label="回覆期限", help_text="留白表示用情資裡的期限。")
    tlp = forms.ChoiceField(
        label="TLP（來源的標記無法辨識時必選）",
        choices=[("", "（照情資的 TLP）"), *(one for one in Tlp.choices if one[0] != Tlp.UNKNOWN)],
        required=False,
    )
    without_due = forms.BooleanField(
        label="不設回覆期限（機關不會逾期，也不會被提醒）", required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not any(one.asks_for_tlp() for one in self.things):
            del self.fields["tlp"]
        if not AgencyGroup.objects.exists():
            del self.fields["group"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        ways = ("everybody", "with_device", "grades", "group", "agencies")
        if not any(cleaned.get(way) for way in ways):
            self.add_error("agencies", "請至少選擇一個機關，或選擇群組、責任等級、全選。")
        return cleaned

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise if name == "tlp" else super().starts_from(thing, name, otherwise)


class ExtendForm(ActionForm):
    due_on = RocDateField(label="新的回覆期限", required=True)
    reason = forms.CharField(label="展延理由", max_length=500)


class ReasonToAgenciesForm(ActionForm):
    reason = forms.CharField(
        label="理由（機關會看到）", max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )


class GroupForm(ResourceForm):
    tells = ("agencies",)
    agencies = forms.ModelMultipleChoiceField(
        Agency.objects.open(), label="機關", widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = AgencyGroup
        fields = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["agencies"].initial = self.instance.agencies.all()


class VendorForm(ResourceForm):
    aliases = NamesField(
        label="別名", required=False, help_text="每行一個，或以「、」分隔，例如：微軟、MS。"
    )

    class Meta:
        model = Vendor
        fields = ["name", "aliases"]


class AnswerForm(OfTheAgencyForm):
    reply = forms.ChoiceField(
        label="回覆", choices=[one for one in Reply.choices if one[0] != Reply.NONE]
    )
    evidence = forms.CharField(
        label="處理情形與佐證", max_length=5_000, widget=forms.Textarea(attrs={"rows": 4})
    )


class FileForm(Form):
    file = forms.FileField(label="檔案", error_messages={"required": "請先選擇檔案。"})
