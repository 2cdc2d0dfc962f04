"""Intelligence coming in, and pages beside the lists."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from ismp.accounts.access import needs
from ismp.accounts.models import Agency
from ismp.accounts.roles import Right
from ismp.security import advisory_import, devices, incidents
from ismp.security.forms import FileForm, OfficerForm
from ismp.security.intelligence import IntelligenceRefused
from ismp.security.models import Device, SignOff, TimeLimit
from ismp.ui.uploads import takes_files

_SHOWN = 500


@require_safe
def my_devices(request: HttpRequest) -> HttpResponse:
    """What is in this person's keeping; what waits for a decision comes first."""
    user: Any = request.user
    kept = Device.objects.kept_by(user).in_use().select_related("restriction")
    waiting = set(kept.undecided(timezone.localdate()).values_list("pk", flat=True))
    rows = sorted(((one, one.pk in waiting) for one in kept[:_SHOWN]), key=lambda row: not row[1])
    return render(request, "security/my_devices.html", {"rows": rows})


@takes_files("INTELLIGENCE_MAX_BYTES")
@require_http_methods(["GET", "POST"])
@needs(Right.REVIEW_SECURITY)
def take_in(request: HttpRequest) -> HttpResponse:
    """匯入情資檔案: STIX 2.1, CVE JSON 5 or KEV, as drafts."""
    user: Any = request.user
    form = FileForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "title": "匯入情資檔案",
        "explains": "STIX 2.1、CVE JSON 5 或 KEV 目錄；匯入後是草稿，發布前機關看不到。",
        "accept": ".json",
        "back": "advisories:list",
        "back_title": "資安情資",
        "form": form,
    }
    if form.is_valid():
        try:
            context["taken"] = advisory_import.take_in(form.cleaned_data["file"].read(), by=user)
        except IntelligenceRefused as refusal:
            context["refused"] = str(refusal)
    return render(request, "security/import.html", context)


@require_safe
@needs(Right.VIEW_SECURITY)
def time_limits(request: HttpRequest) -> HttpResponse:
    """The clocks of the law, with their articles and days."""
    return render(request, "security/time_limits.html", {"limits": TimeLimit.objects.all()})


@require_http_methods(["GET", "POST"])
@needs(Right.VIEW_SECURITY)
def officers(request: HttpRequest) -> HttpResponse:
    """資安長: one's own agency's is named here; who sees all agencies sees whose is missing."""
    user: Any = request.user
    form = OfficerForm(request.POST or None, agency=user.agency)
    if request.method == "POST" and not user.may(Right.EDIT_SECURITY):
        raise PermissionDenied
    if form.is_valid():
        incidents.name_officer(form.cleaned_data["account"], by=user)
        messages.success(request, "已登錄資安長；重大資安事件會立刻通知。")
        return redirect("security:officers")
    agencies = Agency.objects.select_related("security_officer__account")
    mine = agencies if user.may(Right.ALL_AGENCIES) else agencies.filter(pk=user.agency_id)
    context = {"agencies": mine, "form": form, "may_edit": user.may(Right.EDIT_SECURITY)}
    return render(request, "security/officers.html", context)


@require_safe
@needs(Right.VIEW_SECURITY)
def sign_off(request: HttpRequest, sign_off_id: int) -> HttpResponse:
    """簽署表 as PDF, or the list that was signed as the CSV of which it names the digest."""
    user: Any = request.user
    signed = SignOff.objects.visible_to(user).select_related("campaign", "agency")
    found = get_object_or_404(signed, pk=sign_off_id)
    if request.GET.get("format") == "csv":
        headers = {"Content-Disposition": 'attachment; filename="sign-off.csv"'}
        listing = devices.list_of(found)
        return HttpResponse(listing, content_type="text/csv; charset=utf-8", headers=headers)
    headers = {"Content-Disposition": 'attachment; filename="sign-off.pdf"'}
    return HttpResponse(devices.form_of(found), content_type="application/pdf", headers=headers)
