"""For developers: the components of templatetags/components, each in its states."""

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from ismp.ui.forms import Form, RocDateField


class _Form(Form):
    title = forms.CharField(label="名稱", help_text="課程或公文的名稱。")
    day = RocDateField(label="日期", required=False)
    kind = forms.ChoiceField(label="類別", choices=[("", "請選擇"), ("general", "通識")])
    note = forms.CharField(label="說明", widget=forms.Textarea(attrs={"rows": 2}), required=False)
    agreed = forms.BooleanField(label="已經核對", required=False)


@login_not_required
@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """Show every component with its states; 404 unless the site runs with `ISMP_DEBUG=1`."""
    if not settings.DEBUG:
        raise Http404
    context = {
        "form": _Form({"wrong-day": "99-99-99"}, prefix="wrong"),
        "untouched": _Form(prefix="untouched"),
        "page": Paginator(range(180), 50).get_page(2),
        "sizes": (50, 100, 200),
        "size": 50,
        "states": ("approved", "refused", "waiting", "withdrawn"),
    }
    return render(request, "ui/components.html", context)


urlpatterns = [path("components/", components, name="components")]
