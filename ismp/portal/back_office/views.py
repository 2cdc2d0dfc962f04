"""管理環境: its entrance, and the audit trail for those who verify."""

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.audit import trail as audit
from ismp.audit import verbs
from ismp.audit.models import Event
from ismp.security import overview
from ismp.ui.forms import SearchForm
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources import history
from ismp.ui.resources.resource import without_keyword
from ismp.ui.resources.search import containing

_PER_PAGE = 50


@require_safe
@needs(Right.MANAGE)
def manage_home(request: HttpRequest) -> HttpResponse:
    """The modules, and before them what of 資安管制 is done and what is late."""
    user = request.user
    scopes = []
    if user.may(Right.VIEW_SECURITY):
        scopes.append(("本機關", overview.counts(user, user.agency)))
        if user.may(Right.ALL_AGENCIES):
            scopes.append(("全市", overview.counts(user)))
    return render(request, "portal/manage_home.html", {"scopes": scopes})


@require_safe
@needs(Right.VIEW_TRAIL)
def trail(request: HttpRequest) -> HttpResponse:
    """稽核軌跡: who did what from where, searched by verb and words; verified on demand."""
    search = SearchForm(request.GET)
    if faults := search.errors.get("q"):
        return without_keyword(request, faults)
    text, verb = search.cleaned_data["q"], request.GET.get("verb", "")
    events = Event.objects.all()
    if verb:
        events = events.filter(verb=verb)
    if text:
        events = events.filter(
            containing("actor", text)
            | containing("agency", text)
            | containing("subject", text)
            | Q(address__startswith=text)
            | Q(session=text.lower())
            | Q(reference=text.upper())
        )
    page = Paginator(events, _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    for own in ("page", "verify"):
        query.pop(own, None)
    context = {
        "page": page,
        "events": history.in_words(page),
        "verbs": verbs.every(),
        "verb": verb,
        "q": text,
        "query": query.urlencode(),
        "hidden": list(query.items()),
        "verified": "verify" in request.GET,
        "faults": list(audit.faults()) if "verify" in request.GET else [],
    }
    return render(request, "portal/trail.html", context)


urlpatterns = [
    path("", manage_home, name="home"),
    path("trail/", trail, name="trail"),
]
