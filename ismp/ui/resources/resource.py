"""A list of 管理環境 as data: one description gives its pages, forms, actions, export and history.

    devices = Resource(
        name="devices",                        # namespace of its addresses
        title="管制設備",
        thing="設備",
        rows=lambda user: Device.objects.visible_to(user).select_related("agency"),
        columns=(Column("設備", "name"), Column("購置日", "bought_on", "date")),
        search={"name": "設備", "agency__name": "機關"},
        menu=MenuPlace("資安管制作業"),
        view=Right.VIEW_DEVICES,
        edit=Right.EDIT_DEVICES,
        form=DeviceForm,                       # a ResourceForm
        save=actions.save_device,              # save(device, by=user)
        filters=(Filter("state", "狀態", State.choices),),
        actions=(Action("retire", "除列", Right.EDIT_DEVICES, actions.retire, RetireForm),),
        empty="請按「新增設備」。",
    )

Then: `path("manage/devices/", include(devices.urls))` in config/urls.py; the menu, the tests of all
addresses and docs/reference derive from it (docs/develop/add-a-resource.md).  Every list, page,
action and export starts from `rows(user)`; whatever is not in there does not exist (404).

An action is `act(things, by=user, **what its form asks)`: things is a QuerySet; it returns how many
it did (0 is refused: that is no action), a sentence that says what it did, a Page, or a response (a
file, a redirect) that is sent as it is.  `ActionRefused` with its sentence undoes it.
This file knows no domain: rights are names that `user.may` understands.

An edit and an action lock their things before they read them: what `save` and `act` get is what
stands until the transaction ends, with what the form changed.  A form that was drawn before
somebody else changed what it shows comes back (`versions`).
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError, models, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_list_or_404, get_object_or_404, redirect, render
from django.urls import URLPattern, URLResolver, get_resolver, path, reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.ui import verbs
from ismp.ui.exports import xlsx
from ismp.ui.exports.csv import csv_lines
from ismp.ui.exports.responses import csv_answer, workbook_answer
from ismp.ui.forms import ActionForm, ResourceForm, SearchForm
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files
from ismp.ui.resources import history, versions
from ismp.ui.resources.columns import Column, cells_of
from ismp.ui.resources.search import containing
from ismp.ui.text.numbers import whole_numbers

PER_PAGE = (20, 50, 100, 200)
_NAMED = 20
"""How many of the things an action names before it is done."""
_NUMBER = re.compile(r"([a-z]+-)?\d{1,18}", re.ASCII)
"""What a button may choose in the form of an action: 12, grade-12."""
_CLASH = "這筆資料和別人剛存入的重複或衝突；請重新整理這一頁，核對後再存一次。"

Choices = Iterable[tuple[str, str]]
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Filter:
    """A drop-down beside the search; `choices` may depend on who asks, and none hide it."""

    name: str
    title: str
    choices: Choices | Callable[[Any], Choices]
    narrow: Callable[[Any, str], Any] | None = None
    """(rows, choice) → rows; without it the field `name` equals the choice."""

    def offered(self, user: Any) -> list[tuple[str, str]]:
        return list(self.choices(user) if callable(self.choices) else self.choices)

    def narrowed(self, rows: Any, choice: str) -> Any:
        return self.narrow(rows, choice) if self.narrow else rows.filter(**{self.name: choice})


@dataclass(frozen=True)
class Action:
    """Something done to things: offered on a thing's page and, when `many`, to the ticked ones."""

    name: str
    title: str
    right: str
    act: Callable[..., Any]
    form: type[ActionForm] | None = None
    explains: str = ""
    many: bool = True
    danger: bool = False
    button: str = ""
    """What the button under the form says; 確定 and the title, unless it is said."""
    fits: Callable[[Any, Any], bool] = lambda user, thing: True
    """(user, thing) → whether the thing's page offers it; `act` decides for itself."""
    whole: bool = True
    """Done in one transaction.  False where `act` opens its own, because it asks another server
    meanwhile, for which no lock should wait."""


@dataclass(frozen=True)
class Page:
    """Response of an action whose result is shown once."""

    template: str
    context: dict[str, Any]


@dataclass(frozen=True)
class MenuPlace:
    """The tab of a resource in the menu of 管理環境."""

    module: str
    """Title of one of the modules in `portal.menus`; its lists stand there in the order of urls."""
    title: str = ""
    """Where it is another one than the resource's."""
    right: str = ""
    """Where not all who may view it are led there."""
    covers: str = ""
    """Namespaces of other pages that belong to the tab, separated by spaces."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    name: str
    title: str
    thing: str
    rows: Callable[[Any], Any]
    columns: tuple[Column, ...]
    search: dict[str, str]
    menu: MenuPlace | None
    """None where the tab of another page covers it."""
    view: str
    edit: str = ""
    is_shared: bool = False
    """Whether its things belong to no agency, so that whoever may view it sees them all."""
    form: type[ResourceForm] | None = None
    save: Callable[..., Any] | None = None
    holds: Callable[[list[int]], None] | None = None
    """(keys of things) → lock what must be locked before them, for an edit or an action."""
    edits: Callable[[Any, Any], bool] = lambda user, thing: True
    """(user, thing) → whether the thing's page offers 編輯; `save` decides for itself."""
    filters: tuple[Filter, ...] = ()
    actions: tuple[Action, ...] = ()
    more: tuple[Column, ...] = ()
    """Values that only the thing's page and the export show."""
    page: str = "ui/resource_page.html"
    """A template that extends this one, when the page shows more than values."""
    beside: Callable[[Any, Any], dict[str, Any]] = lambda user, thing: {}
    """(user, thing) → what that template needs."""
    called: Callable[[Any], str] = str
    """How a thing is named where it is spoken of."""
    subject: Callable[[Any], str] = lambda thing: thing.audit_subject
    """What the history of a thing is about: the thing itself, or another one."""
    empty: str = "請放寬條件後再按「確定」。"
    links: tuple[tuple[str, str, str], ...] = ()
    """(right, words, name of an address) of pages that are reached from the list."""

    # --- Addresses -------------------------------------------------------------------------------

    @property
    def urls(self) -> tuple[list[URLPattern], str]:
        """For `include`; each address has its right in front of it."""
        either = require_http_methods(["GET", "POST"])
        patterns = [
            self._path("", self.view, require_safe, self._list, "list"),
            self._path("export/", self.view, require_safe, self._export, "export"),
            *(
                self._path(
                    f"{action.name}/",
                    action.right,
                    require_POST,
                    self._does(action),
                    action.name,
                    form=action.form,
                )
                for action in self.actions
            ),
            self._path(self._place, self.view, require_safe, self._page, "page"),
            self._path(f"{self._place}history/", self.view, require_safe, self._history, "history"),
        ]
        if self.form:
            patterns += [
                self._path("add/", self.edit, either, self._form, "add", form=self.form),
                self._path(
                    f"{self._place}edit/", self.edit, either, self._form, "edit", form=self.form
                ),
            ]
        return patterns, self.name

    @property
    def _place(self) -> str:
        return f"<int:{self.name}_id>/"

    def _path(
        self,
        place: str,
        right: str,
        method: Callable[[View], View],
        view: View,
        name: str,
        *,
        form: type[forms.BaseForm] | None = None,
    ) -> URLPattern:
        def guarded(request: HttpRequest, **ids: int) -> HttpResponseBase:
            user = request.user
            if not user.may(right):
                raise PermissionDenied
            return view(request, *ids.values())

        answer = method(sensitive_post_parameters()(guarded))
        answer.module = self  # type: ignore[attr-defined]
        answer.needs = right  # type: ignore[attr-defined]
        fields = form.base_fields.values() if form else ()  # type: ignore[attr-defined]
        if any(field.widget.needs_multipart_form for field in fields):
            answer = takes_files("CERTIFICATE_MAX_BYTES")(answer)
        return path(place, answer, name=name)

    def address(self, name: str, *args: Any) -> str:
        return reverse(f"{self.name}:{name}", args=args)

    # --- Many ------------------------------------------------------------------------------------

    def _list(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        search = _Search(self, user, request.GET)
        if faults := search.errors.get("q"):
            return without_keyword(request, faults)
        columns = self._shown(user)
        size = int(search.cleaned_data.get("per_page") or 50)
        page = Paginator(search.found(), size).get_page(request.GET.get("page"))
        query = request.GET.copy()
        query.pop("page", None)
        context = {
            "resource": self,
            "search": search,
            "page": page,
            "columns": columns,
            "rows": [(thing, self.called(thing), cells_of(thing, columns)) for thing in page],
            "actions": [
                action for action in self.actions if action.many and user.may(action.right)
            ],
            "may_edit": self.form and user.may(self.edit),
            "links": [(words, name) for right, words, name in self.links if user.may(right)],
            "narrowed": search.narrows,
            "sizes": PER_PAGE,
            "size": size,
            "query": query.urlencode(),
            "hidden": [item for item in query.items() if item[0] != "per_page"],
        }
        return render(request, "ui/resource_list.html", context)

    def _shown(self, user: Any, *, more: bool = False) -> list[Column]:
        columns = (*self.columns, *self.more) if more else self.columns
        return [one for one in columns if not one.right or user.may(one.right)]

    def _export(self, request: HttpRequest) -> HttpResponseBase:
        """下載查詢結果: the whole query, .xlsx or .csv."""
        user = request.user
        search = _Search(self, user, request.GET)
        columns = self._shown(user, more=True)
        found = search.found() if search.is_valid() else self.rows(user).none()
        rows = ([one.value(thing) for one in columns] for thing in found.iterator(2_000))
        kind = "csv" if request.GET.get("format") == "csv" else "xlsx"
        with transaction.atomic():
            trail.record(
                verbs.EXPORT_LIST,
                actor=user.username,
                agency=user.agency.code,
                module=self.title,
                format=kind,
                count=found.count(),
            )
        head = [one.title for one in columns]
        if kind == "csv":
            return csv_answer(csv_lines(head, rows), f"{self.name}.csv")
        added_up = {f"{place}" for place, one in enumerate(columns) if one.shape == "number"}
        frames = xlsx.frames_of(rows)
        pieces = xlsx.workbook(self.title, head, frames, added_up, fillable=True)
        return workbook_answer(pieces, f"{self.name}.xlsx")

    # --- One -------------------------------------------------------------------------------------

    def _find(self, user: Any, pk: int) -> Any:
        return get_object_or_404(self.rows(user), pk=pk)

    def _page(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = request.user
        thing = self._find(user, pk)
        context = {
            "resource": self,
            "thing": thing,
            "called": self.called(thing),
            "cells": cells_of(thing, self._shown(user, more=True)),
            "actions": [d for d in self.actions if user.may(d.right) and d.fits(user, thing)],
            "may_edit": self.form and user.may(self.edit) and self.edits(user, thing),
            **self.beside(user, thing),
        }
        return render(request, self.page, context)

    def _history(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Events of the trail about an object."""
        thing = self._find(request.user, pk)
        events = Event.objects.filter(subject=self.subject(thing))
        page = Paginator(events, PER_PAGE[1]).get_page(request.GET.get("page"))
        context = {
            "resource": self,
            "thing": thing,
            "called": self.called(thing),
            "page": page,
            "events": history.in_words(page),
        }
        return render(request, "ui/resource_history.html", context)

    def _form(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """新增 or 編輯: one thing through its form and the action that saves it."""
        user = request.user
        with transaction.atomic() if request.method == "POST" else contextlib.nullcontext():
            answer = self._edited(request, user, pk)
        if not isinstance(answer, dict):
            messages.success(request, f"{self.thing}「{self.called(answer)}」已存檔。")
            return redirect(self.address("page", answer.pk))
        edited = f"編輯{self.thing}：{answer['called']}" if pk else f"新增{self.thing}"
        return render(request, "ui/resource_form.html", {**answer, "title": edited})

    def _edited(self, request: HttpRequest, user: Any, pk: int | None) -> Any:
        """Return what was saved, or what the page of the form shows."""
        if pk and request.method == "POST":
            self._hold([pk], self.rows(user))
        thing = self._find(user, pk) if pk else None
        make, subject = (
            partial(cast("Any", self.form), user=user),
            self.subject(thing) if pk else "",
        )
        called = self.called(thing) if thing else ""
        form, more = versions.returned(request, make, thing, subject)
        if request.method == "POST" and "stale" not in more and form.is_valid():
            saved = _tried(form, lambda: self._saved(form, user))
            if saved is not None:
                return saved
        return {"resource": self, "thing": thing, "called": called, "form": form, **more}

    def _hold(self, pks: list[int], things: Any) -> None:
        """Lock things until the transaction ends; what is read afterwards stands until then."""
        if self.holds:
            self.holds(pks)
        versions.hold(things, pks)

    def _saved(self, form: Any, user: Any) -> Any:
        thing = form.save(commit=False)
        thing.validate_constraints(exclude=set(form.settles))
        save: Any = self.save
        values = {name: form.cleaned_data[name] for name in form.tells}
        return save(thing, by=user, **values) or thing

    # --- Actions ----------------------------------------------------------------------------------

    def _does(self, action: Action) -> View:
        def do(request: HttpRequest) -> HttpResponseBase:
            return self._do(request, action)

        return do

    def _do(self, request: HttpRequest, action: Action) -> HttpResponseBase:
        """First a page that says to how many and to which, and asks what the action needs."""
        user = request.user
        ids = whole_numbers(request.POST.getlist("ids"))
        if not ids:
            messages.error(request, f"請先勾選{self.thing}，再按「{action.title}」。")
            return redirect(self.address("list"))
        things = self.rows(user).filter(pk__in=ids if action.many else ids[:1])
        confirmed = "confirmed" in request.POST
        whole = confirmed and action.whole
        with transaction.atomic() if whole else contextlib.nullcontext():
            if whole:
                # Not by going through `things`: `act` would get them as they were before.
                self._hold(list(things.order_by().values_list("pk", flat=True)), things)
            chosen = get_list_or_404(things.all())
            done, form, more = self._acted(request, action, things, chosen)
        if isinstance(done, HttpResponseBase):
            return done
        if isinstance(done, Page):
            shown = {"resource": self, "action": action, **done.context}
            return render(request, done.template, shown)
        if done is not None:
            messages.success(request, self._done_text(action, done))
            alone = len(chosen) == 1 and self.rows(user).filter(pk=chosen[0].pk).exists()
            return redirect(self.address(*(("page", chosen[0].pk) if alone else ("list",))))
        context = {
            "resource": self,
            "action": action,
            "form": form,
            "things": [self.called(thing) for thing in chosen[:_NAMED]],
            "count": len(chosen),
            "unnamed": max(0, len(chosen) - _NAMED),
            "ids": [thing.pk for thing in chosen],
            **more,
        }
        return render(request, "ui/resource_action.html", context)

    def _acted(
        self, request: HttpRequest, action: Action, things: Any, chosen: list[Any]
    ) -> tuple[Any, ActionForm, dict[str, Any]]:
        """Return what was done (None when nothing was), the form, and what its page shows more."""
        user = request.user
        make = partial(action.form or ActionForm, user=user, things=chosen)
        if "confirmed" not in request.POST:
            named = {name: one for name, one in request.POST.items() if _NUMBER.fullmatch(str(one))}
            form = make(initial=named)
            return None, form, self._version(form, chosen)
        drawn, form = make(), make(data=request.POST)
        more = self._version(drawn, chosen)
        if more:
            carried, subject = request.POST.get(versions.FIELD, ""), self.subject(chosen[0])
            detail = {"subject": subject, "by": user.username}
            if stale := versions.stale(carried, now=drawn, typed=form, **detail):
                return (
                    None,
                    make(data=stale.data),
                    {**more, "stale": stale, "stale_button": f"確定{action.title}"},
                )
        done = None
        if form.is_valid():
            act = partial(self._done, action, things, user, form.cleaned_data)
            done = _tried(form, act, whole=action.whole)
        return done, form, more

    def _version(self, form: ActionForm, chosen: list[Any]) -> dict[str, str]:
        """The version of an action's form, of what it shows of its one thing."""
        names = form.from_thing - form.initial.keys()
        if len(chosen) != 1 or not names:
            return {}
        return {"form_version": versions.version(form, self.subject(chosen[0]), names)}

    def _done(self, action: Action, things: Any, user: Any, asked: dict[str, Any]) -> Any:
        done = action.act(things, by=user, **asked)
        if done == 0:
            raise ActionRefused(f"沒有可以「{action.title}」的{self.thing}，沒有做任何變更。")
        return done

    def _done_text(self, action: Action, done: Any) -> str:
        return done if isinstance(done, str) else f"已{action.title}：{done} 筆{self.thing}。"


@cache
def every() -> tuple[Resource, ...]:
    """Return the resources of the site, in the order of its urls."""
    parts = (part for part in get_resolver().url_patterns if isinstance(part, URLResolver))
    first = (next(iter(part.url_patterns), None) for part in parts)
    found = (getattr(getattr(one, "callback", None), "module", None) for one in first)
    return tuple(one for one in found if isinstance(one, Resource))


def without_keyword(request: HttpRequest, faults: Iterable[Any]) -> HttpResponse:
    """Say why, at an address without the keyword: it may be what no address may hold."""
    for fault in faults:
        messages.error(request, str(fault))
    query = request.GET.copy()
    query.pop("q")
    return redirect(f"{request.path}?{query.urlencode()}")


class _Search(SearchForm):
    """The search line, the filters, and how many rows a page has."""

    def __init__(self, module: Resource, user: Any, query: Any) -> None:
        super().__init__(query, module.search.items())
        self.module, self.user = module, user
        for one in module.filters:
            if choices := one.offered(user):
                self.fields[one.name] = forms.ChoiceField(
                    label=one.title, choices=[("", "全部"), *choices], required=False
                )
        self.fields["per_page"] = forms.ChoiceField(
            choices=[(str(size), size) for size in PER_PAGE], required=False
        )

    @property
    def drop_downs(self) -> Iterator[Any]:
        return (self[one.name] for one in self.module.filters if one.name in self.fields)

    @property
    def narrows(self) -> bool:
        names = ("q", *(one.name for one in self.module.filters))
        return any(self.cleaned_data.get(name) for name in names)

    def found(self) -> models.QuerySet[Any]:
        """The rows that are asked for; a choice that is not offered narrows nothing."""
        asked = self.cleaned_data
        rows: models.QuerySet[Any] = self.module.rows(self.user)
        for one in self.module.filters:
            if choice := asked.get(one.name):
                rows = one.narrowed(rows, choice)
        if text := asked.get("q"):
            field = asked.get("field") or next(iter(self.module.search))
            rows = rows.filter(containing(field, text.strip()))
        return rows


def _tried(form: Any, action: Callable[[], Any], *, whole: bool = True) -> Any:
    """Do it (whole); what stands against it is said by the form, and None returned."""
    try:
        with transaction.atomic() if whole else contextlib.nullcontext():
            return action()
    except ValidationError as faults:
        for fault in faults.messages:
            form.add_error(None, fault)
    except ActionRefused as reason:
        form.add_error(NON_FIELD_ERRORS, str(reason))
    except IntegrityError:
        form.add_error(None, _CLASH)
    return None
