"""外部時數認列 for everybody: asking, seeing how it stands, taking it back, the certificate."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.errors import ActionRefused
from ismp.external_hours import actions, files
from ismp.external_hours.forms import ClaimForm
from ismp.external_hours.models import ExternalClaim
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files_by_itself

_PER_PAGE = 30


@require_safe
def my_claims(request: HttpRequest) -> HttpResponse:
    """List the person's claims with their state and the answer."""
    user = request.user
    own = ExternalClaim.objects.made_by(user).select_related("agency", "decided_by", "revoked_by")
    page = Paginator(own, _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "external_hours/my_claims.html", {"page": page})


@takes_files_by_itself
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest) -> HttpResponse:
    # The handler must be in place before anything, the CSRF check too, reads the body.
    request.upload_handlers = [files.InMemory(request)]
    return _apply(request)


apply.csrf_exempt = True  # type: ignore[attr-defined]


@csrf_protect
def _apply(request: HttpRequest) -> HttpResponse:
    user = request.user
    typed = (request.POST, request.FILES) if request.method == "POST" else ()
    form: Any = ClaimForm(*typed, user=user)
    if typed and form.is_valid():
        claim = form.save(commit=False)
        try:
            actions.apply(claim, form.cleaned_data["certificate"].chunks(), by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, "已送出申請；審核後會通知您。審核前可以撤回。")
            return redirect("external_hours:my_claims")
    return render(request, "external_hours/apply.html", {"form": form})


@require_POST
def withdraw(request: HttpRequest, claim_id: int) -> HttpResponse:
    user = request.user
    claim = get_object_or_404(ExternalClaim.objects.made_by(user), pk=claim_id)
    with refusal_shown(request):
        actions.withdraw(claim, by=user)
        messages.success(request, f"已撤回「{claim.title}」的申請，證明文件已刪除。")
    return redirect("external_hours:my_claims")


@require_safe
def certificate(request: HttpRequest, claim_id: int) -> HttpResponseBase:
    """The file as what it was found to be, whatever its name said; the browser may not guess."""
    user = request.user
    openable = ExternalClaim.objects.openable_by(user).filter(pieces__number=0)
    claim = get_object_or_404(openable.select_related("agency", "account"), pk=claim_id)
    if claim.account_id != user.pk:
        actions.note_opening(claim, by=user)
    name = f"certificate-{claim.pk}.{files.EXTENSIONS[claim.media_type]}"
    headers = {
        "Content-Disposition": f'inline; filename="{name}"',
        "Content-Length": str(claim.size),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(files.read(claim), content_type=claim.media_type, headers=headers)
