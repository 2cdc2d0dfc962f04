"""管理環境: its entrance, and the audit trail for those who verify."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from ismp.accounts.access import needs
from ismp.accounts.roles import Right
from ismp.audit.models import Event


@require_safe
@needs(Right.MANAGE)
def manage_home(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/manage_home.html")


@require_safe
@needs(Right.VIEW_TRAIL)
def trail(request: HttpRequest) -> HttpResponse:
    page = Paginator(Event.objects.all(), 50).get_page(request.GET.get("page"))
    return render(request, "portal/trail.html", {"page": page})


urlpatterns = [
    path("", manage_home, name="home"),
    path("trail/", trail, name="trail"),
]
