"""學習地圖管理: the rules, their versions and examples, the policy; and what an import changed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial, wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.accounts.models import Account
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.compliance.models import Example, PolicyVersion, Rule, RuleVersion
from ismp.compliance.rules import actions
from ismp.compliance.rules.forms import (
    AddForm,
    CancelForm,
    ChangeForm,
    EndForm,
    ExampleForm,
    PolicyForm,
    as_posted,
    in_words,
    started_from,
)
from ismp.compliance.standing import import_effect as effects
from ismp.compliance.standing import what_if
from ismp.compliance.standing.table import WORDS, InForce
from ismp.errors import ActionRefused
from ismp.imports.models import ImportRun, Source, State
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.resources import versions

_NAMED = 50
_asks_or_does = require_http_methods(["GET", "HEAD", "POST"])


def _in_turn(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Of two who change the law at once, the second's form is looked at when the first is done."""

    @wraps(view)
    def in_turn(request: HttpRequest, **ids: int) -> HttpResponse:
        rules = Rule.objects.order_by("pk").values_list("pk", flat=True)
        with versions.held(request, Rule.objects.all(), *rules):
            return view(request, **ids)

    return in_turn


@require_safe
@needs(Right.MANAGE)
def rules(request: HttpRequest) -> HttpResponse:
    """Every rule with what it asks today, and the policy."""
    today = timezone.localdate()
    held = {version.rule_id: version for version in RuleVersion.objects.on(today)}
    policy = PolicyVersion.objects.on(today).first() or PolicyVersion()
    context = {
        "rules": [(rule, held.get(rule.pk)) for rule in Rule.objects.all()],
        "policy": policy,
        "policies": PolicyVersion.objects.order_by("-since", "-pk"),
        "today": today,
    }
    return render(request, "compliance/rules.html", context)


@require_safe
@needs(Right.MANAGE)
def rule_page(request: HttpRequest, rule_id: int) -> HttpResponse:
    """One rule: its versions, and its worked examples with what comes out."""
    rule = get_object_or_404(Rule, pk=rule_id)
    examples = rule.examples.select_related("rule")
    context = {
        "rule": rule,
        "versions": rule.versions.standing().order_by("-since", "-pk"),
        "gone": rule.versions.exclude(cancelled_at=None).order_by("-cancelled_at"),
        "current": RuleVersion.objects.on(timezone.localdate()).filter(rule=rule).first(),
        "examples": [(one, actions.in_words(one.missing)) for one in examples],
    }
    return render(request, "compliance/rule.html", context)


@dataclass(frozen=True)
class _Change:
    """A change of the rules: its words, the law as it would be, the action, where to go then."""

    title: str
    proposed: Callable[[InForce, dict[str, Any]], InForce]
    action: Callable[..., Any]
    back: str
    day: date | None = None
    """Judged by the rules of that day instead, as they are after the action."""
    confirm: str = "確定存檔"


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def add(request: HttpRequest) -> HttpResponse:
    """A new rule, weighed before it is written."""

    def proposed(now: InForce, data: dict[str, Any]) -> InForce:
        return _with(now, Rule(**{name: data[name] for name in AddForm.field_order}), data)

    rules_page = reverse("compliance:rules")
    change = _Change("新增學習地圖", proposed, actions.add_rule, rules_page)
    return _weighed(request, AddForm(request.POST or None), change)


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def change(request: HttpRequest, rule_id: int) -> HttpResponse:
    """A new version of a rule, from a day on."""
    rule = get_object_or_404(Rule, pk=rule_id)
    newest = rule.versions.standing().exclude(hours=None).order_by("since", "pk").last()
    begun = started_from(newest) if newest else None
    form = ChangeForm(request.POST or None, initial=begun, versions=rule.versions)
    change = _Change(
        f"訂定新版本：{rule}",
        lambda now, data: _with(now, rule, data),
        partial(actions.change_rule, rule),
        rule.get_absolute_url(),
    )
    return _weighed(request, form, change)


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def end(request: HttpRequest, rule_id: int) -> HttpResponse:
    """From a day on the rule asks for nothing."""
    rule = get_object_or_404(Rule, pk=rule_id)
    change = _Change(
        f"停用：{rule}",
        lambda now, _: _without(now, rule),
        partial(actions.end_rule, rule),
        rule.get_absolute_url(),
    )
    return _weighed(request, EndForm(request.POST or None, versions=rule.versions), change)


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def policy(request: HttpRequest) -> HttpResponse:
    """Where the law is silent, from a day on."""
    held = PolicyVersion.objects.on(timezone.localdate()).first() or PolicyVersion()
    initial = {name: getattr(held, name) for name in ("two_years", "grace_days", "unlisted")}
    change = _Change(
        "修改採計政策",
        lambda now, data: replace(now, policy=PolicyVersion(**data).policy()),
        actions.set_policy,
        reverse("compliance:rules"),
    )
    form = PolicyForm(request.POST or None, initial=initial, versions=PolicyVersion.objects)
    return _weighed(request, form, change)


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def cancel_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """Cancel a version of a rule, to come or mistaken."""
    standing = RuleVersion.objects.standing().select_related("rule")
    version = get_object_or_404(standing, pk=version_id)
    back = version.rule.get_absolute_url()
    return _cancelled(request, version, str(version.rule), actions.cancel_version, back)


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def cancel_policy(request: HttpRequest, policy_id: int) -> HttpResponse:
    """Cancel a policy, to come or mistaken."""
    version = get_object_or_404(PolicyVersion.objects.standing(), pk=policy_id)
    back = reverse("compliance:rules")
    return _cancelled(request, version, "採計政策", actions.cancel_policy, back)


def _cancelled(
    request: HttpRequest, version: Any, of: str, action: Callable[..., Any], back: str
) -> HttpResponse:
    change = _Change(
        f"取消版本：{of}，{version.in_words}",
        lambda now, _: now,
        partial(action, version),
        back,
        day=max(version.since, timezone.localdate()),
        confirm="確定取消這個版本",
    )
    return _weighed(request, CancelForm(request.POST or None), change)


def _without(now: InForce, rule: Rule) -> InForce:
    return replace(now, duties=tuple(duty for duty in now.duties if duty.rule != rule.pk))


def _with(now: InForce, rule: Rule, data: dict[str, Any]) -> InForce:
    """As if the rule asked for this from today on."""
    asked = {name: data[name] for name in ("grades", "hours", "citation")}
    version = RuleVersion(rule=rule, since=timezone.localdate(), **asked)
    others = _without(now, rule) if rule.pk else now
    return replace(others, duties=(*others.duties, version.duty()))


def _weighed(request: HttpRequest, form: Any, change: _Change) -> HttpResponse:
    """First the form, then who turns red or green by it, then the action."""
    version = getattr(form, "form_version", "")  # no other of these forms can be overtaken
    context = {"form": form, "change": change, versions.FIELD: version}
    is_stale = request.method == "POST" and getattr(form, "is_stale", False)
    if is_stale:
        context["stale"] = _written_since(form)
    if request.method != "POST" or is_stale or "again" in request.POST or not form.is_valid():
        return render(request, "compliance/rule_form.html", context)
    confirmed = "confirmed" in request.POST
    try:
        with transaction.atomic():
            change.action(**form.cleaned_data, by=request.user)
            after = InForce.read(change.day) if change.day else None
            transaction.set_rollback(not confirmed)
    except ActionRefused as reason:
        form.add_error(None, str(reason))
        return render(request, "compliance/rule_form.html", context)
    if confirmed:
        messages.success(request, "已存檔。")
        return redirect(change.back)
    now = InForce.on(change.day or timezone.localdate())
    proposed = after or change.proposed(now, form.cleaned_data)
    context |= {"asked": in_words(form), "posted": as_posted(form), **_turned(proposed, now)}
    return render(request, "compliance/rule_preview.html", context)


def _written_since(form: Any) -> versions.Stale:
    """The version that somebody else has written meanwhile beside what was typed."""
    words = in_words(form) if form.is_valid() else []
    typed = "；".join(f"{label} {said}" for label, said in words if said) or "（請更正下面的欄位）"
    newest = f"{form.newest.in_words}（{form.newest.recorded_by} 登記）"
    since = versions.Difference("之後登記的版本", newest, typed)
    return versions.Stale([since], [], form.data)


_TURNS = {"red": "會變成未達標", "amber": "會變成寬限中", "exempt": "會變成免列管"}
_TURNS_GREEN = "會變成達標"


def _turned(proposed: InForce, now: InForce) -> dict[str, Any]:
    """People whose light changes, for the preview: each group with its heading and its people."""
    turned = what_if.impact(proposed, now)
    words = {**WORDS, what_if.NOT_OBLIGED: "不列管"}
    groups = [
        (_TURNS.get(after, _TURNS_GREEN), f"{words[before]} → {words[after]}", _people(numbers))
        for (before, after), numbers in sorted(turned.people.items(), key=_worst_first)
    ]
    figures = [
        (word, turned.before[light], turned.after[light])
        for light, word in words.items()
        if light == "red" or turned.before[light] != turned.after[light]
    ]
    return {"groups": groups, "figures": figures}


def _worst_first(item: tuple[tuple[str, str], list[int]]) -> tuple[int, int]:
    order = [*WORDS, what_if.NOT_OBLIGED]
    before, after = item[0]
    return order.index(after), order.index(before)


def _people(numbers: list[int], most: int = _NAMED) -> dict[str, Any]:
    """The first of these people, and how many more there are."""
    found = Account.objects.filter(pk__in=numbers[:most]).select_related("agency")
    return {"shown": found, "count": len(numbers), "more": max(0, len(numbers) - most)}


@_asks_or_does
@needs(Right.MANAGE_RULES)
@_in_turn
def add_example(request: HttpRequest, rule_id: int) -> HttpResponse:
    """A worked example beside a rule; it must come out as written."""
    user = request.user
    rule = get_object_or_404(Rule, pk=rule_id)
    form = ExampleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.add_example(rule, **form.cleaned_data, by=user)
            return redirect(rule)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
    context = {"form": form, "rule": rule}
    return render(request, "compliance/example_form.html", context)


@require_POST
@needs(Right.MANAGE_RULES)
def remove_example(request: HttpRequest, example_id: int) -> HttpResponse:
    user = request.user
    example = get_object_or_404(Example.objects.select_related("rule"), pk=example_id)
    with refusal_shown(request):
        actions.remove_example(example, by=user)
        messages.success(request, f"已刪除範例「{example.title}」。")
    return redirect(example.rule)


@require_safe
@needs(Right.VIEW_HOURS)
def effect(request: HttpRequest, run_id: int) -> HttpResponse:
    """The effect of an import: a part of its result, and a page of its own with every name."""
    user = request.user
    visible = ImportRun.objects.visible_to(user).select_related("agency")
    run = get_object_or_404(visible, pk=run_id, source=Source.FILE, state=State.COMPLETED)
    found = effects.of_run(run)
    context: dict[str, Any] = {"run": run, "effect": found, "whole": not request.htmx}  # type: ignore[attr-defined]
    if found:
        most = _NAMED if request.htmx else found.people  # type: ignore[attr-defined]
        context |= {"green": _people(found.done, most), "red": _people(found.fallen, most)}
    page = "compliance/effect.html"
    if request.htmx:  # type: ignore[attr-defined]
        page = "compliance/_effect_part.html"
    return render(request, page, context)
