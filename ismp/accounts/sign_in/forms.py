"""Forms of the door: signing in, passwords, reset codes."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import validate_password

from ismp.accounts.models import Account
from ismp.ui.forms import Form, TextMask


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
