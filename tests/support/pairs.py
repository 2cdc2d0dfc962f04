"""Requests that an object accepts in one of its states."""

from dataclasses import dataclass
from functools import partial

from django.test import Client

from ismp.accounts.models import Account
from tests.support import sessions
from tests.support.examples import modules
from tests.support.html_forms import forms_in
from tests.support.sessions import drawn

KIT = {one.name: one for one in modules()}

REVIEWED = {
    "applications": "application",
    "transfers": "transfer",
    "changes": "identities",
    "resets": "reset",
}

NUMBER = iter(range(1, 50_000))


def signed_in(username, role):
    return Sender(*sessions.signed_in(username, role))


@dataclass
class Sender:
    client: Client
    user: Account


def sendable(name, state, sender, thing):
    """By action, a function that gives the address and the contents of the form about a thing; None
    where there turns out to be none."""
    typed = {
        action: reported(thing) if callable(reported) else reported
        for action, reported in state.typed.items()
    }
    found = {}
    if name in KIT:
        found |= of_the_kit(KIT[name], state, typed, sender, thing)
    if name in REVIEWED:
        found |= of_a_request(REVIEWED[name], typed, sender, thing)
    if name == "incidents":
        found |= of_an_incident(typed, sender, thing)
    if name == "tickets":
        for mode in ("answer", "close"):
            found[mode] = lambda mode=mode: (f"/support/{thing.pk}/", {"mode": mode, "body": "好"})
    if name == "rules":
        for action, reported in typed.items():
            place = f"/manage/learning-map/rules/{thing.pk}/{action}/"
            found[action] = partial(drawn_and_typed, sender, place, {**reported, "confirmed": "1"})
    return found


def drawn_and_typed(sender, address, typed):
    return address, drawn(sender.client, address).shown(**typed)


def of_the_kit(module, state, typed, sender, thing):
    user, seen = sender.user, module.rows(sender.user).filter(pk=thing.pk).first()
    if seen is None:
        return {}
    found = {}
    if module.form and user.may(module.edit) and module.edits(user, seen) and not state.only:
        edit = module.address("edit", thing.pk)
        found["edit"] = partial(drawn_and_typed, sender, edit, typed.get("edit", {}))
    for sent_action in module.actions:
        fits = sent_action.name in state.only or (not state.only and sent_action.fits(user, seen))
        if user.may(sent_action.right) and sent_action.whole and fits:
            asked = partial(
                asked_first, module.address(sent_action.name), typed.get(sent_action.name, {})
            )
            found[sent_action.name] = partial(asked, sender, thing)
    return found


def asked_first(address, typed, sender, thing):
    entry = {"entry": typed["entry"]} if "entry" in typed else {}
    page = sender.client.post(address, {"ids": [thing.pk], **entry}).content.decode()
    form = next((one for one in forms_in(address, page) if "confirmed" in one.fields), None)
    return form and (address, form.filled(**typed))


def of_a_request(kind, typed, sender, thing):
    if sender.user.username == "CU1001":  # who asked for it
        return {"withdraw": lambda: (f"/manage/transfers/{thing.pk}/withdraw/", {})}
    place = f"/manage/reviews/{kind}/{thing.pk}/"
    return {
        action: lambda reported=reported: (place, {**reported, "comment": "好"})
        for action, reported in typed.items()
    }


def of_an_incident(typed, sender, thing):
    page = f"/incidents/{thing.pk}/"
    found = {}
    for form in forms_in(page, sender.client.get(page).content.decode()):
        step = form.action.removeprefix(page).rstrip("/")
        if form.action.startswith(page) and step not in {"", "note"}:
            found[step] = lambda form=form: (form.action, form.filled())
    if "edit" in typed:
        found["edit"] = partial(drawn_and_typed, sender, f"{page}edit/", typed["edit"])
    return found
