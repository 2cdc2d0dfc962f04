"""A drawn form does what it does once: a double click is one action, one event, one message.

Each form bears a key of its own beside its token (`templatetags.once`).  Of two requests with the
same key and contents the first does the work; the second waits for it and gets the first one's
answer.  Other contents (a form that the back button brought back and that was corrected) are
another action.  What counts as done is what left an event: a form that comes back with a fault, or
a page that asks first, may be sent again.  Without a key a form works as ever.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone

from ismp.audit import trail
from ismp.audit.models import Event
from ismp.ui.http import error_pages
from ismp.ui.models import SentForm

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

FIELD = "form_key"
OF_THE_FORM = frozenset({FIELD, "csrfmiddlewaretoken"})
"""What a drawn form sends of itself, beside what was typed and chosen in it."""
_ASSOCIATED_DATA = b"ui.SentForm.answer"
_LONGEST_ANSWER = 1024 * 1024
_GIVEN_UP = timedelta(seconds=90)
"""Older than the longest page: the request that came first has died."""
_PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.05
_KEPT = timedelta(days=1)
_HEADERS = ("Content-Type", "Content-Disposition", "Location", "HX-Redirect", "HX-Refresh")


def each_time(view: View) -> View:
    """Mark a view that looks at what is sent each time, such as a password."""
    view.each_time = True  # type: ignore[attr-defined]
    return view


class Answers:
    """The outer half: keeps the answer, cookies and all, when something was done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if digest := getattr(request, "sent_form", None):
            rows = SentForm.objects.filter(pk=digest, reference=_reference(request))
            if _is_final(response) and trail.has_recorded(request):
                answer, version = settings.KEYS.encrypt(_packed(response), _ASSOCIATED_DATA)
                rows.update(answer=answer, key_version=version)
            else:
                rows.delete()
        return response


class Claims:
    """The inner half: after all others have let a form pass, the first of its kind goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        reads_itself = getattr(view, "takes_files", None) == ""
        if request.method != "POST" or reads_itself or getattr(view, "each_time", False):
            return None
        if not (key := request.POST.get(FIELD, "")):
            return None
        return _claim(request, SentForm(digest=_form(request, key), contents=_contents(request)))


def handed_on(sent: QueryDict, *own: str) -> list[tuple[str, str]]:
    """Values that a page of an action hands on to the next: all sent ones, without those the drawn
    form sends itself and the page's `own` fields."""
    left = OF_THE_FORM.union(own)
    return [(name, one) for name, values in sent.lists() if name not in left for one in values]


def purge() -> int:
    """Forget forms that were sent a day ago; return how many.  Called every hour by the worker."""
    return SentForm.objects.filter(sent_at__lt=timezone.now() - _KEPT).delete()[0]


# --- The first one, and those after it -----------------------------------------------------------


def _claim(request: Any, sent: SentForm) -> HttpResponseBase | None:
    """Let the request go on as the first (None), or answer it as the first was answered."""
    until = time.monotonic() + _PATIENCE_SECONDS
    sent.reference = _reference(request)
    while time.monotonic() < until:
        row = SentForm.objects.filter(pk=sent.pk).first()
        if _insert(sent) if row is None else _take_over(row, sent):
            request.sent_form = sent.pk
            return None
        if row and row.answer is not None and row.is_like(sent):
            return _again(row)
        if row and _is_dead(row) and _is_done(row):
            return _done(request)
        time.sleep(_PAUSE_SECONDS)
    return _busy(request)


def _insert(sent: SentForm) -> bool:
    sent.sent_at = timezone.now()
    try:
        with transaction.atomic():
            sent.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _take_over(row: SentForm, sent: SentForm) -> bool:
    """Take the place of a request that died before it did anything, or that sent something else
    and was answered."""
    is_dead = _is_dead(row) and not (row.is_like(sent) and _is_done(row))
    is_over = row.answer is not None and not row.is_like(sent)
    if not (is_dead or is_over):
        return False
    same = SentForm.objects.filter(pk=row.pk, reference=row.reference, contents=row.contents)
    own = {"contents": sent.contents, "reference": sent.reference, "sent_at": timezone.now()}
    return bool(same.update(**own, answer=None, key_version=None))


def _is_dead(row: SentForm) -> bool:
    return row.answer is None and row.sent_at < timezone.now() - _GIVEN_UP


def _is_done(row: SentForm) -> bool:
    """Whether a request that died had done its work: its event stands."""
    return Event.objects.filter(reference=row.reference, at__gte=row.sent_at).exists()


def _reference(request: Any) -> str:
    return getattr(request, "reference", "")


def _form(request: Any, key: str) -> bytes:
    """Of the drawn form: its key, where it was sent, and by whom."""
    who = request.user.pk if request.user.is_authenticated else None
    return _digest(key, who, request.get_full_path())


def _contents(request: Any) -> bytes:
    """Of what was typed and chosen in it, files included."""
    typed = [(name, values) for name, values in request.POST.lists() if name not in OF_THE_FORM]
    files = [(name, one.name, _content(one)) for name, one in request.FILES.items()]
    return _digest(sorted(typed), sorted(files))


def _content(file: Any) -> str:
    content = hashlib.sha256()
    for chunk in file.chunks():
        content.update(chunk)
    file.seek(0)
    return content.hexdigest()


def _digest(*values: Any) -> bytes:
    """Keyed: what is typed may be a national ID."""
    return settings.KEYS.blind_index("form:" + json.dumps(values))


# --- The answer ----------------------------------------------------------------------------------


def _is_final(response: HttpResponseBase) -> bool:
    """A page or the way to one; not a fault, nor a stream, which can be asked for again."""
    return (
        isinstance(response, HttpResponse)
        and response.status_code < HTTPStatus.BAD_REQUEST
        and len(response.content) <= _LONGEST_ANSWER
    )


def _packed(response: Any) -> bytes:
    values = {
        "status": response.status_code,
        "headers": {name: response[name] for name in _HEADERS if name in response},
        "cookies": response.cookies.output(header="", sep="\n"),
    }
    content: bytes = response.content
    return json.dumps(values).encode() + b"\n" + content


def _again(row: SentForm) -> HttpResponse:
    """The answer that the first one got."""
    plain = settings.KEYS.decrypt(bytes(row.answer or b""), _ASSOCIATED_DATA, row.key_version or 0)
    head, _, content = plain.partition(b"\n")
    values = json.loads(head)
    place = values["headers"].get("Location")
    response = HttpResponseRedirect(place) if place else HttpResponse()
    response.content, response.status_code = content, values["status"]
    for name, value in values["headers"].items():
        response[name] = value
    for cookie in _lines(values["cookies"]):
        response.cookies.load(cookie)
    return response


def _lines(text: str) -> Iterator[str]:
    return filter(None, (line.strip() for line in text.split("\n")))


def _done(request: HttpRequest) -> HttpResponse:
    return error_pages.page(
        request,
        409,
        "這個動作已經完成",
        "您送出的動作第一次就完成了，沒有重複做；只是那一次的回應沒有送到。",
        "請回到清單，重新整理後查看結果。",
    )


def _busy(request: HttpRequest) -> HttpResponse:
    response = error_pages.page(
        request,
        503,
        "還在處理",
        "同一個動作已經送出一次，還沒有做完；沒有重複做。",
        "請等幾秒，回到清單，重新整理後查看結果。",
    )
    response["Retry-After"] = "10"
    return response
