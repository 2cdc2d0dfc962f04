"""`{% csrf_token %}` as everywhere, with the key of the drawn form beside it (`ui.http.once`)."""

import secrets
from typing import Any

from django import template
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ismp.ui.http.once import FIELD

register = template.Library()


class _TokenAndKey(CsrfTokenNode):
    def render(self, context: Any) -> SafeString:
        key = secrets.token_urlsafe(16)
        field = '{}<input type="hidden" name="{}" value="{}">'
        return format_html(field, super().render(context), FIELD, key)


@register.tag
def csrf_token(parser: Any, token: Any) -> _TokenAndKey:
    return _TokenAndKey()
