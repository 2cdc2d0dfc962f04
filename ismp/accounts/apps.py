from django.apps import AppConfig

from ismp.accounts import national_id
from ismp.audit import text_mask


class AccountsConfig(AppConfig):
    name = "ismp.accounts"
    label = "accounts"
    verbose_name = "帳號"

    def ready(self) -> None:
        from ismp.accounts.forms.fields import is_no_national_id  # noqa: PLC0415 (no models before)
        from ismp.ui.forms import KeywordField  # noqa: PLC0415

        text_mask.register(national_id.hide_within)
        KeywordField.register(is_no_national_id)
