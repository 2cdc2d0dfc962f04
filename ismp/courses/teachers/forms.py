"""Forms about teachers."""

from typing import Any

from django import forms

from ismp.accounts.forms.fields import OfAgencyForm
from ismp.accounts.models import Account
from ismp.courses.models import Teacher, TeacherCertificate
from ismp.ui.forms import ActionForm, RocDateField

# --- What may be typed ---------------------------------------------------------------------------


class TeacherForm(OfAgencyForm):
    refuses = ("username", "name", "email")
    username = forms.CharField(
        label="公務帳號", max_length=50, required=False, help_text="內部教師填公務帳號即可。"
    )

    class Meta:
        model = Teacher
        fields = [
            "agency",
            "username",
            "name",
            "organization",
            "email",
            "phone",
            "expertise",
            "profile",
            "is_engaged",
        ]
        widgets = {"profile": forms.Textarea(attrs={"rows": 6})}
        help_texts = {
            "name": "外聘教師填姓名；內部教師的姓名依帳號。",
            "expertise": "以「、」分隔，例如：資安稽核、網路架構。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(self.Meta.fields)
        if self.instance.account:
            self.fields["username"].initial = self.instance.account.username

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        self.instance.account = None
        if username:
            people = Account.objects.filter(agency=self.agency)
            self.instance.account = people.filter(username__iexact=username).first()
            if self.instance.account is None:
                raise forms.ValidationError("這個機關沒有這個公務帳號，請檢查後再填。")
        return username


class CertificateForm(ActionForm):
    name = forms.CharField(label="證照名稱", max_length=100)
    number = forms.CharField(label="證照號碼", max_length=50, required=False)
    issued_on = RocDateField(label="發照日")
    expires_on = RocDateField(label="到期日", help_text="長期有效的證照免填。")

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return otherwise


class RemovalForm(ActionForm):
    certificate = forms.ModelChoiceField(
        TeacherCertificate.objects.none(), label="證照", empty_label="（請選擇）"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        certificate: Any = self.fields["certificate"]
        certificate.queryset = TeacherCertificate.objects.filter(teacher__in=self.things)
