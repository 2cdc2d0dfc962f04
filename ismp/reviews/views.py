"""機關審核作業: the queue as a page, deciding one thing or many of a kind, and 代理."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts.models import Account
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.applications.actions import delegating as deputising
from ismp.applications.forms import DelegationForm
from ismp.applications.models import Delegation
from ismp.errors import ActionRefused
from ismp.reviews.queue import decides, principals_of, waiting_for
from ismp.reviews.queue_item import Waiting
from ismp.ui.forms import Form
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources.resource import Page
from ismp.ui.text.numbers import whole_number

_PER_PAGE = 50
_asks_or_does = require_http_methods(["GET", "HEAD", "POST"])
_View = Callable[..., HttpResponse]


class CommentForm(Form):
    comment = forms.CharField(
        label="意見",
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(
        self, *args: Any, waiting: Waiting, replaces: list[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].help_text = waiting.deciding.comment_hint if waiting.deciding else ""
        if replaces:
            self.fields["replace"] = forms.BooleanField(
                label="取代之後的異動",
                required=False,
                help_text=f"核可時會取消：{'；'.join(replaces)}。不勾選就不能核可。",
            )


def _or_delegate(may: Callable[[Account], bool]) -> Callable[[_View], _View]:
    """Let in who may, and who stands in for somebody today."""

    def decorate(view: _View) -> _View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user = request.user
            if not may(user) and not principals_of(user):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


@require_safe
@_or_delegate(lambda user: user.may(Right.MANAGE))
def queue(request: HttpRequest) -> HttpResponse:
    """Boxes to tick only where one kind is chosen that is decided here."""
    user = request.user
    now, everything = timezone.localtime(), waiting_for(user)
    kind = request.GET.get("kind", "")
    chosen = [one for one in everything if not kind or one.kind == kind]
    page = Paginator(chosen, _PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "rows": [(one, one.is_late(now)) for one in page],
        "kinds": sorted(Counter(one.kind for one in everything).items()),
        "kind": kind,
        "ticks": bool(kind) and any(one.many for one in page),
        "total": len(everything),
        "reviews_waiting": len(everything),  # so that the menu need not ask again
        "late": sum(one.is_late(now) for one in everything),
        "now": now,
        "query": query.urlencode(),
        "hidden": list(query.items()),
    }
    return render(request, "reviews/queue.html", context)


# --- Deciding ------------------------------------------------------------------------------------


@_asks_or_does
@_or_delegate(decides)
def item(request: HttpRequest, review_kind: str, review_id: int) -> HttpResponse:
    """One thing: what will change and what follows, and the decision with its comment."""
    user = request.user
    key = f"{review_kind}-{review_id}"
    one = next((one for one in waiting_for(user) if one.key == key), None)
    if one is None or one.deciding is None:
        return render(request, "reviews/gone.html", status=404)
    brief = one.deciding.tells(one.thing)
    if brief.only_platform and not (one.in_place_of or user).may(Right.TRANSFER_PEOPLE):
        brief = replace(brief, obstacle=brief.obstacle or brief.only_platform)
    posted = request.POST if request.method == "POST" else None
    form = CommentForm(posted, waiting=one, replaces=brief.replaces)
    if form.is_valid():
        accept = request.POST.get("decision") == "approve"
        try:
            done = one.decide(accept=accept, **form.cleaned_data, by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            if isinstance(done, Page):
                return render(request, done.template, done.context)
            messages.success(request, f"已{_WORD[accept]}：{one.kind} {one.title}。")
            if step := _next(one, done, user):
                messages.info(request, f"{step[0]}。")
                return redirect(step[1])
            return redirect("reviews:queue")
    context = {
        "one": one,
        "brief": brief,
        "form": form,
        "now": timezone.localtime(),
        "is_late": one.is_late(timezone.now()),
    }
    return render(request, "reviews/item.html", context)


def _next(one: Waiting, done: Any, user: Account) -> tuple[str, str] | None:
    """Next steps after an approval, for those who may take them."""
    after = one.deciding.after if one.deciding else None
    return after(done, user) if after and done else None


_WORD = {True: "核可", False: "不同意"}


@require_POST
@_or_delegate(decides)
def batch(request: HttpRequest) -> HttpResponse:
    """Many of one kind by one comment: first who they are, then line by line what became of each.

    Each is an action of its own: what cannot be decided does not stop the others.
    """
    user = request.user
    accept, keys = request.POST.get("decision") == "approve", request.POST.getlist("ids")
    found = {one.key: one for one in waiting_for(user) if one.many}
    chosen = [found[key] for key in dict.fromkeys(keys) if key in found]
    if not chosen or len({one.kind for one in chosen}) > 1:
        messages.error(request, "請先選一種事項、勾選要一起決定的，再按「核可」或「不同意」。")
        return redirect("reviews:queue")
    confirmed = "confirmed" in request.POST
    form = CommentForm(request.POST if confirmed else None, waiting=chosen[0])
    if confirmed and not accept and not request.POST.get("comment", "").strip():
        form.add_error("comment", "不同意時，請寫明理由。")
    context = {"chosen": chosen, "form": form, "accept": accept, "word": _WORD[accept]}
    if confirmed and form.is_valid():
        comment = form.cleaned_data["comment"]
        outcomes = [(one, *_tried(one, accept, comment, user)) for one in chosen]
        failed = sum(bool(why) for _, why, _ in outcomes)
        gone = len(set(keys)) - len(chosen)
        announcement = [f"已{_WORD[accept]} {len(outcomes) - failed} 件"]
        if failed:
            announcement.append(f"{failed} 件不能決定")
        if gone:
            announcement.append(f"{gone} 件已經不在清單裡（可能有人決定過了）")
        context |= {
            "outcomes": outcomes,
            "announcement": "，".join(announcement) + "。",
            "tone": "amber" if failed or gone else "success",
        }
        return render(request, "reviews/batch_done.html", context)
    return render(request, "reviews/batch.html", context)


def _tried(
    one: Waiting, accept: bool, comment: str, by: Account
) -> tuple[str, tuple[str, str] | None]:
    """Decide it whole or not at all; (why not, or empty; what is to be done next)."""
    try:
        with transaction.atomic():
            done = one.decide(accept=accept, comment=comment, by=by)
    except ActionRefused as reason:
        return str(reason), None
    return "", _next(one, done, by)


# --- 代理 ----------------------------------------------------------------------------------------


@_asks_or_does
@needs(Right.EDIT_PEOPLE)
def delegations(request: HttpRequest) -> HttpResponse:
    """Who decides in my place, and naming one."""
    user = request.user
    form = DelegationForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            named = deputising.delegate(**form.cleaned_data, by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"已指定{named.delegate.name}為代理人，並通知他。")
            return redirect("reviews:delegations")
    context = {
        "form": form,
        "delegations": Delegation.objects.filter(principal=user).select_related("delegate")[:50],
        "today": timezone.localdate(),
    }
    return render(request, "reviews/delegations.html", context)


@require_POST
@needs(Right.EDIT_PEOPLE)
def end_delegation(request: HttpRequest) -> HttpResponse:
    user = request.user
    delegations = Delegation.objects.filter(principal=user)
    delegation = get_object_or_404(delegations, pk=whole_number(request.POST.get("delegation")))
    with refusal_shown(request):
        deputising.end_delegation(delegation, by=user)
        messages.success(request, "代理已經結束。")
    return redirect("reviews:delegations")
