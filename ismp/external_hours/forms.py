"""Forms of a claim and of the decision on it."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from ismp.courses.forms import HoursField
from ismp.external_hours import files
from ismp.external_hours.models import ExternalClaim, most_hours
from ismp.hours.models import in_hours
from ismp.hours.portal_import.layout import CATEGORIES
from ismp.ui.forms import ActionForm, ResourceForm, RocDateField
from ismp.ui.reading.file_types import FileTypeRejected

_CHOICES = [(code, f"{code} {title}") for code, title in CATEGORIES.items()]


class ClaimForm(ResourceForm):
    category = forms.TypedChoiceField(
        label="課程類別", choices=[("", "（請選擇）"), *_CHOICES], coerce=int
    )
    started_on = RocDateField(label="起日期", required=True)
    ended_on = RocDateField(label="迄日期", required=True)
    hours = HoursField(label="時數", help_text="證明文件上寫的時數，例如 3 或 2.5。")
    certificate = forms.FileField(
        label="證明文件",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".pdf,.jpg,.jpeg,.png"}),
    )

    class Meta:
        model = ExternalClaim
        fields = [
            *("category", "title", "organizer", "nature", "started_on", "ended_on", "hours"),
            *("certificate", "description"),
        ]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        help_texts = {"description": "例如訓練內容、證明文件在哪一頁。請不要寫身分證字號。"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most = settings.CERTIFICATE_MAX_BYTES // 1024 // 1024
        file = self.fields["certificate"]
        file.help_text = f"PDF、JPG 或 PNG，{most} MB 以內。只有您和審核、稽核的人能開啟。"
        file.error_messages["required"] = "請選擇證明文件。"

    def clean_ended_on(self) -> Any:
        day = self.cleaned_data["ended_on"]
        if day and day > timezone.localdate():
            raise forms.ValidationError("迄日期在今天以後；請在訓練結束後再申請。")
        return day

    def clean_certificate(self) -> Any:
        file = self.cleaned_data["certificate"]
        if not file.size:
            raise forms.ValidationError("這個檔案是空的，請重新選擇。")
        try:
            found = files.check(file)
        except FileTypeRejected as fault:
            raise forms.ValidationError(str(fault)) from fault
        self.instance.media_type, self.instance.size = found, file.size
        return file

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("started_on"), self.cleaned_data.get("ended_on")
        hours = self.cleaned_data.get("hours")
        if start and end and end < start:
            self.add_error("ended_on", "迄日期早於起日期，請更正。")
        elif start and end and hours and hours > most_hours(start, end):
            most = in_hours(most_hours(start, end))
            self.add_error("hours", f"一天最多 24 小時，這段期間最多 {most} 小時，請更正。")
        return self.cleaned_data


class ApproveForm(ActionForm):
    category = forms.TypedChoiceField(label="認列類別", choices=_CHOICES, coerce=int)
    given = HoursField(label="認列時數", help_text="可以改成與申請不同的時數或類別。")
    comment = forms.CharField(
        label="審核意見", max_length=500, required=False, help_text="申請人會看到。"
    )

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        claimed = {"category": thing.category, "given": thing.hours}
        return claimed.get(name, otherwise)


class RefuseForm(ActionForm):
    comment = forms.CharField(
        label="審核意見", max_length=500, help_text="請寫明原因，申請人會看到。"
    )

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise


class RevokeForm(ActionForm):
    reason = forms.CharField(label="撤銷理由", max_length=180, help_text="申請人會看到。")
