"""The pages that people read without asking for anything, and the writing of them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.errors import ActionRefused
from ismp.portal import actions, menus
from ismp.portal.forms import PageForm
from ismp.portal.models import Page, PageVersion
from ismp.ui.http.requests import HttpRequest


@login_not_required
@require_safe
def shown(request: HttpRequest, page: Page) -> HttpResponse:
    """常見問題, 網站介紹: also for those who cannot sign in."""
    return render(request, "portal/page.html", {"page": page, "text": PageVersion.current(page)})


@login_not_required
@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """網站導覽: every page that this person may open, and the access keys."""
    return render(request, "portal/sitemap.html", {"sections": menus.sections(request)})


@require_safe
@needs(Right.EDIT_PAGES)
def listed(request: HttpRequest) -> HttpResponse:
    """網站內容: what can be written, and who wrote it last."""
    context = {"pages": [(page, PageVersion.current(page)) for page in Page]}
    return render(request, "portal/pages.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.EDIT_PAGES)
def edit(request: HttpRequest, page_name: str) -> HttpResponse:
    """Write a page anew: preview it, then save; older versions can be taken up again."""
    if page_name not in Page.values:
        raise Http404
    user = request.user
    page, newest = Page(page_name), PageVersion.current(Page(page_name))
    versions = [*PageVersion.objects.filter(page=page), PageVersion.shipped(page)]
    asked = request.GET.get("version", "")
    start = next((one for one in versions if str(one.number) == asked), newest)
    initial = {"body": start.body, "based_on": newest.number}
    form = PageForm(page, request.POST or None, initial=initial)
    preview = form.cleaned_data["body"] if form.is_valid() else ""
    if preview and request.POST.get("mode") == "save":
        try:
            actions.save_page(page, **form.cleaned_data, by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"{page.label}已更新。")
            return redirect("pages:list")
    context = {"page": page, "form": form, "preview": preview, "start": start, "versions": versions}
    return render(request, "portal/page_edit.html", context)


urlpatterns = [
    path("", listed, name="list"),
    path("<slug:page_name>/", edit, name="edit"),
]
