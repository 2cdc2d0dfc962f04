"""What may be typed at the door."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from ismp.accounts import national_id


class SignInForm(AuthenticationForm):
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
        # Refused before it is looked up: a national ID must not reach the table of failures.
        if national_id.LOOKS_LIKE.search(national_id.fold(self.cleaned_data.get("username", ""))):
            raise forms.ValidationError("請輸入公務帳號，不是身分證字號。")
        return super().clean()
