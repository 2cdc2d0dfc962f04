"""Intelligence coming in, and pages beside the lists."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from ismp.accounts.models import Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.security import intelligence
from ismp.security.advisories import affected_devices
from ismp.security.advisories.actions import evidence, uploaded_files
from ismp.security.advisories.actions import importing as advisory_importing
from ismp.security.devices import sign_off_form
from ismp.security.forms import FileForm, OfficerForm
from ismp.security.incidents import actions as incident_actions
from ismp.security.intelligence import IntelligenceRejected
from ismp.security.models import (
    Address,
    Advisory,
    Device,
    EvidenceFile,
    IntelligenceFile,
    SecurityOfficer,
    SignOff,
    TimeLimit,
)
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files

_SHOWN = 500
_PER_PAGE = 50


@require_safe
def my_devices(request: HttpRequest) -> HttpResponse:
    """List the devices in this person's custody; those that wait for a decision come first."""
    user = request.user
    kept = Device.objects.kept_by(user).in_use().select_related("restriction")
    waiting = set(kept.undecided(timezone.localdate()).values_list("pk", flat=True))
    rows = sorted(((one, one.pk in waiting) for one in kept[:_SHOWN]), key=lambda row: not row[1])
    return render(request, "security/my_devices.html", {"rows": rows})


@takes_files("INTELLIGENCE_MAX_BYTES")
@require_http_methods(["GET", "POST"])
@needs(Right.REVIEW_SECURITY)
def import_advisories(request: HttpRequest) -> HttpResponse:
    """匯入情資檔案: STIX, CVE JSON 5 or KEV, as drafts."""
    user = request.user
    form = FileForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "title": "匯入情資檔案",
        "explains": f"可匯入 {intelligence.KINDS}；匯入後是草稿，發布前機關看不到。",
        "accept": ".json,.csv,.zip",
        "back": "advisories:list",
        "back_title": "資安情資",
        "form": form,
    }
    if form.is_valid():
        file = form.cleaned_data["file"]
        if uploaded_files.is_large(file.size):
            kept = uploaded_files.receive(file, by=user)
            return redirect("security:intelligence_file", kept.pk)
        try:
            context["taken"] = advisory_importing.import_advisories(file.read(), by=user)
        except IntelligenceRejected as refusal:
            context["refused"] = uploaded_files.refused(refusal)
    return render(request, "security/import.html", context)


@require_safe
@needs(Right.REVIEW_SECURITY)
def intelligence_file(request: HttpRequest, intelligence_file_id: int) -> HttpResponse:
    """Outcome of a large file; the page polls until the worker has read it."""
    user = request.user
    file = get_object_or_404(IntelligenceFile, pk=intelligence_file_id, account=user)
    partial = "HX-Request" in request.headers
    template = (
        "security/_intelligence_window.html" if partial else "security/intelligence_file.html"
    )
    announcement = "匯入完成" if file.ended_at else "檔案已安全收到，可安心關閉視窗"
    context = {
        "title": "匯入情資檔案",
        "file": file,
        "announcement": "沒有匯入" if file.reason else announcement,
        "taken": file.result,
        "refused": file.reason,
    }
    return render(request, template, context)


@require_safe
@needs(Right.VIEW_SECURITY)
def devices_of_advisory(request: HttpRequest, advisories_id: int) -> HttpResponse:
    """All devices that an advisory may speak of, of the agencies that somebody sees."""
    user = request.user
    advisory = get_object_or_404(Advisory.objects.visible_to(user), pk=advisories_id)
    found = affected_devices.hit_by(advisory, Device.objects.visible_to(user))
    page = Paginator(found.order_by("agency", "pk"), _PER_PAGE).get_page(request.GET.get("page"))
    hits = affected_devices.judged(advisory, page.object_list)
    context = {"advisory": advisory, "page": page, "hits": hits}
    return render(request, "security/advisory_devices.html", context)


@takes_files("CERTIFICATE_MAX_BYTES")
@require_http_methods(["GET", "POST"])
@needs(Right.EDIT_SECURITY)
def add_evidence(request: HttpRequest, addresses_id: int) -> HttpResponse:
    """附上佐證: one file at a time, by the agency itself."""
    user = request.user
    own = Address.objects.visible_to(user).filter(agency__in=user.agency_ids()).of_published()
    address = get_object_or_404(own.select_related("advisory", "agency"), pk=addresses_id)
    form: Any = FileForm(request.POST or None, request.FILES or None)
    form.fields["file"].widget.attrs["accept"] = evidence.ACCEPT
    if form.is_valid():
        try:
            kept = evidence.add(address, form.cleaned_data["file"], by=user)
        except ActionRefused as reason:
            form.add_error("file", str(reason))
        else:
            messages.success(request, f"已附上「{kept.name}」。")
            return redirect("addresses:page", address.pk)
    most = settings.CERTIFICATE_MAX_BYTES // 1024 // 1024
    context = {"address": address, "form": form, "most": most}
    return render(request, "security/evidence.html", context)


@require_safe
@needs(Right.VIEW_SECURITY)
def open_evidence(request: HttpRequest, evidence_id: int) -> HttpResponseBase:
    """A file as a download: whatever it is, the browser neither shows nor guesses it."""
    user = request.user
    found = EvidenceFile.objects.visible_to(user).select_related("address__agency")
    file = get_object_or_404(found, pk=evidence_id)
    evidence.note_opening(file, by=user)
    headers = {
        "Content-Disposition": content_disposition_header(True, file.name) or "attachment",
        "Content-Length": str(file.size),
        "X-Content-Type-Options": "nosniff",
    }
    content = evidence.read(file)
    return StreamingHttpResponse(content, content_type=file.media_type, headers=headers)


@require_safe
@needs(Right.VIEW_SECURITY)
def time_limits(request: HttpRequest) -> HttpResponse:
    """The clocks of the law, with their articles and days."""
    return render(request, "security/time_limits.html", {"limits": TimeLimit.objects.all()})


@require_http_methods(["GET", "POST"])
@needs(Right.VIEW_SECURITY)
def officers(request: HttpRequest) -> HttpResponse:
    """資安長: one's own agency's is named here; who sees all agencies sees whose is missing."""
    user = request.user
    form = OfficerForm(request.POST or None, agency=user.agency)
    if request.method == "POST" and not user.may(Right.EDIT_SECURITY):
        raise PermissionDenied
    if form.is_valid():
        incident_actions.name_officer(**form.cleaned_data, by=user)
        messages.success(request, "已登錄資安長；重大資安事件會立刻通知。")
        return redirect("security:officers")
    today = timezone.localdate()
    agencies = Agency.objects.visible_to(user).open_on(today)
    named = SecurityOfficer.objects.on(today).select_related("account", "deputy")
    officers = {one.agency_id: one for one in named}
    context = {
        "agencies": [(agency, officers.get(agency.pk)) for agency in agencies],
        "form": form,
        "may_edit": user.may(Right.EDIT_SECURITY),
    }
    return render(request, "security/officers.html", context)


@require_safe
@needs(Right.VIEW_SECURITY)
def sign_off(request: HttpRequest, sign_off_id: int) -> HttpResponse:
    """簽署表 as PDF, or the list that was signed as the CSV of which it names the digest."""
    user = request.user
    signed = SignOff.objects.visible_to(user).select_related("campaign", "agency")
    found = get_object_or_404(signed, pk=sign_off_id)
    if request.GET.get("format") == "csv":
        headers = {"Content-Disposition": 'attachment; filename="sign-off.csv"'}
        listing = sign_off_form.list_of(found)
        return HttpResponse(listing, content_type="text/csv; charset=utf-8", headers=headers)
    headers = {"Content-Disposition": 'attachment; filename="sign-off.pdf"'}
    return HttpResponse(
        sign_off_form.form_of(found), content_type="application/pdf", headers=headers
    )
