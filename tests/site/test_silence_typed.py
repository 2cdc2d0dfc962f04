"""A national ID typed by hand, in any spelling, into any text of any form: never stored in clear."""

import importlib
import itertools
import json
import pkgutil
import re
import unicodedata

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.forms import PasswordChangeForm
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction
from django.http import QueryDict
from django.test import Client

import ismp
from ismp.accounts import national_id
from ismp.audit import trail
from ismp.hours.models import Deletion, Record
from ismp.security import intelligence, verbs
from ismp.security.intelligence import IntelligenceRejected
from ismp.ui.forms import Form, TextMask
from tests.support import uploads
from tests.support.examples import EXAMPLES
from tests.support.html_forms import forms_in
from tests.support.portal_files import data, row
from tests.support.rights import MATRIX, OPEN, addresses

CANARY = national_id.complete("B22987000")
WIDE = "".join(chr(ord(char) + 0xFEE0) for char in CANARY)
SPELLINGS = {
    "plain": CANARY,
    "space": f"{CANARY[0]} {CANARY[1:]}",
    "hyphens": f"{CANARY[:5]}-{CANARY[5:]}",
    "zero width": f"{CANARY[0]}\u200b{CANARY[1:]}",
    "full width": WIDE,
    "full width, apart": f"{WIDE[0]}\u3000{WIDE[1:5]}－{WIDE[5:]}",
    "small": CANARY.lower(),
    "dots": f"{CANARY[:2]}.{CANARY[2:6]}.{CANARY[6:]}",
    "in a sentence": f"王小明（{CANARY[0]} {CANARY[1:4]} {CANARY[4:7]} {CANARY[7:]}）的電腦",
    "marks": "\u0301".join(CANARY),
}
OTHERS = [
    "CVE-2026-12345",
    "教室 A1 2026-01-05",
    "B2 115-01-05 9:00",
    "主機 C1 10.20.30.40",
    "2026-11-28T10:20:33.123+00:00",
    "382990001Z 示範市政府資訊中心",
    "v1.12.345.678",
    "0d1f2a12345678ab" * 4,
    "f81d4fae-a123-4567-8901-00a0c91e6bf6",
    "電話 02-2720-8889 分機 1234",
    "統一編號 12345678、發文字號 1150000123",
    "ABC 1234 5678 9",
]
spelled = pytest.mark.parametrize("written", SPELLINGS.values(), ids=SPELLINGS)


MASKED = f"{CANARY[:6]}****"


def squeezed(text: str) -> str:
    """Without width, case, and whatever may stand between characters."""
    return re.sub(r"[^\w*]+|_", "", unicodedata.normalize("NFKC", text).upper())


def clear(text: str) -> bool:
    """Whether the number stands in a text, whatever stands between its characters."""
    return CANARY in squeezed(text)


def database() -> str:
    """Every text of every table."""
    texts = []
    for model in apps.get_models(include_auto_created=True):
        kinds = models.CharField | models.TextField | models.JSONField
        names = [one.attname for one in model._meta.concrete_fields if isinstance(one, kinds)]
        if names:
            texts += [str(row) for row in model._base_manager.values_list(*names)]
    return "\n".join(texts)


# --- What is recognised --------------------------------------------------------------------------


@spelled
def test_any_spelling_is_hidden(written):
    assert national_id.holds(written)
    assert not clear(national_id.hide(written))
    assert not national_id.holds(national_id.hide(written))
    assert len(national_id.hide(written)) == len(written)


@pytest.mark.parametrize("text", OTHERS)
def test_other_numbers_are_left_alone(text):
    assert national_id.hide(text) == text


def test_figures_apart_that_fail_the_check_digit_are_left_alone():
    wrong = f"{CANARY[:-1]}{(int(CANARY[-1]) + 1) % 10}"
    assert national_id.hide(f"{wrong[0]} {wrong[1:]}") == f"{wrong[0]} {wrong[1:]}"
    assert national_id.hide(wrong) == national_id.mask(wrong)
    assert national_id.hide(wrong, valid=True) == wrong


@pytest.mark.parametrize(
    "text",
    [
        "B" + " " * 200_000,
        "B " * 100_000,
        ("B" + " " * 300 + "2" + " " * 300) * 300,
        "A1-" * 60_000,
        "B" * 200_000,
        "B-2-2-9-8-7-0-0-0-9 " * 10_000,
    ],
    ids=range(6),
)
def test_a_text_of_a_stranger_is_read_in_one_go(text):
    """Whoever tried every way from every character would not come to an end here."""
    assert national_id.hide(text) == text or "*" in national_id.hide(text)


# --- Every form ----------------------------------------------------------------------------------


def every_form():
    """Every class of a form within the platform."""
    for module in pkgutil.walk_packages(ismp.__path__, "ismp."):
        if ".management." not in module.name and not module.name.endswith("wsgi"):
            importlib.import_module(module.name)
    waiting, found = [forms.BaseForm], set()
    while waiting:
        new = set(waiting.pop().__subclasses__()) - found
        found |= new
        waiting += new
    return {one for one in found if one.__module__.startswith("ismp.")}


def test_every_form_masks_what_is_typed():
    found = every_form()
    assert len(found) > 50
    assert not [one for one in found if not issubclass(one, TextMask)]
    assert not [one for one in found if "_mask" in vars(one) and one is not TextMask]
    assert {type(field.widget) for field in PasswordChangeForm.base_fields.values()} == {
        forms.PasswordInput
    }


class Sample(Form):
    refuses = ("name",)
    codes = ("code",)
    name = forms.CharField(label="姓名", required=False)
    code = forms.CharField(label="編號", required=False)
    text = forms.CharField(required=False)
    secret = forms.CharField(required=False, widget=forms.PasswordInput)
    file = forms.FileField(required=False)


@spelled
@pytest.mark.parametrize("prefix", ["", "a"])
def test_a_form_masks_refuses_and_keeps(written, prefix):
    def made(**typed):
        names = {f"{prefix}-{name}" if prefix else name: text for name, text in typed.items()}
        data = QueryDict(mutable=True)
        data.update({name: text for name, text in names.items() if isinstance(text, str)})
        return Sample(data, {**names}, prefix=prefix or None)

    form = made(text=written, secret=written)
    assert form.is_valid()
    assert not clear(form.cleaned_data["text"])
    assert form.cleaned_data["secret"] == written
    assert not clear(str(form["text"]))
    for name in ("name", "code"):
        form = made(**{name: written})
        assert not form.is_valid()
        assert form.errors[name] == [f"請填{form.fields[name].label}，不是身分證字號。"]
        assert not clear(str(form))
    form = made(file=SimpleUploadedFile(f"{written}.pdf", b"x"))
    assert form.is_valid()
    assert not clear(form.cleaned_data["file"].name)


def test_a_code_that_only_looks_like_a_number_is_taken():
    wrong = f"{CANARY[:-1]}{(int(CANARY[-1]) + 1) % 10}"
    assert Sample({"code": wrong}).is_valid()
    assert not Sample({"name": wrong}).is_valid()


# --- Every page ----------------------------------------------------------------------------------


def shown(answer):
    is_page = answer.get("Content-Type", "").startswith("text/html")
    return answer.content.decode() if is_page else ""


class Walk:
    """Types into each form of each page that a person may open, and takes each back again."""

    def __init__(self, person):
        self.browser, self.done, self.stored, self.refused = Client(), set(), set(), set()
        self.spellings = itertools.cycle(SPELLINGS.values())
        if person:
            self.browser.force_login(person)

    def page(self, address):
        answer = self.browser.get(address)
        for form in forms_in(address, shown(answer)):
            self.form(form)

    def form(self, form, asked=False):
        for place, pressed in form.ways():
            if form.texts:
                self.type_into(form, place, pressed)
            elif not asked and (place, *pressed) not in self.done:  # a button that asks first
                self.done.add((place, *pressed))
                with transaction.atomic():
                    answer = self.post(place, form.filled(**pressed))
                    page = shown(answer)
                    transaction.set_rollback(True)
                for one in forms_in(place, page):
                    self.form(one, asked=True)

    def post(self, place, data):
        browser = Client()
        browser.cookies = self.browser.cookies.copy()
        return browser.post(place, data)

    def type_into(self, form, place, pressed):
        key = (place, *form.fields, *pressed.values())
        if key in self.done:
            return
        self.done.add(key)
        example = good_for(place)
        for name in form.texts:
            text = next(self.spellings)
            self.try_one(form, place, {**example, **pressed, name: text}, name)
        everywhere = dict.fromkeys(form.texts, SPELLINGS["space"])
        self.try_one(form, place, {**pressed, **everywhere}, "everywhere")

    def try_one(self, form, place, typed, name):
        with transaction.atomic():
            answer = self.post(place, form.filled(**typed))
            assert answer.status_code < 500, (place, name)
            said = shown(answer)
            assert not clear(said), (place, name)
            assert not clear(str(list(answer.items()))), (place, name)
            held = database()
            assert not clear(held), (place, name)
            if "不是身分證字號" in said:
                self.refused.add((place, name))
            if MASKED in squeezed(held):
                self.stored.add((place, name))
            transaction.set_rollback(True)


def good_for(place):
    name = place.strip("/").split("/")
    found = EXAMPLES.get({"accounts": "people"}.get(name[1], name[1])) if len(name) > 2 else None
    return dict(found.good(7)) if found and name[-1] in {"add", "edit"} else {}


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["staff", "platform_admin", None])
def test_typed_into_each_text_of_each_form(account, things, role):
    walk = Walk(account("IC1001", role) if role else None)
    for name, address in addresses():
        if name in OPEN if role is None else role in MATRIX.get(name, ()):
            walk.page(address.format(**things))
    # Not all fit: a form asks for more than this knows.  But many do, so that the search means much.
    found = {"staff": 14, "platform_admin": 80, None: 2}
    assert len(walk.stored) + len(walk.refused) >= found[role]


# --- Beside the forms ----------------------------------------------------------------------------


@pytest.mark.django_db
@spelled
def test_the_trail_never_holds_one(city, written):
    with transaction.atomic():
        trail.record(
            verbs.SAVE_DEVICE,
            actor=written,
            subject=f"device:{written}",
            changes=[("名稱", written, "")],
            more={written: [written, 5]},
        )
    assert not clear(database())
    assert not list(trail.faults())


@pytest.mark.django_db
@spelled
def test_a_file_of_a_class_holds_none(account, things, written):
    client = Client()
    client.force_login(account("IC1001", "agency_admin"))
    for what in ("scores", "1"):
        file = SimpleUploadedFile(f"{written}.csv", f"{written},{written}\n".encode())
        place = f"/courses/teaching/sessions/{things['session_id']}/file/"
        page = client.post(place, {"what": what, "file": file}, follow=True).content.decode()
        assert "沒有錄取這一期" in page
        assert not clear(page)
    assert not clear(database())


@pytest.mark.django_db
@spelled
def test_the_reason_of_a_deletion_holds_none(clerk, import_bytes, written):
    run = import_bytes(data(row()))["run"]
    posted = {"ids": Record.objects.get(run=run).pk, "reason": written}
    for confirmed in ({}, {"confirmed": "1"}):
        answer = clerk.post("/manage/learning-map/hours/delete/", {**posted, **confirmed})
        assert not clear(shown(answer)) and not clear(database())
    assert "****" in squeezed(Deletion.objects.get().reason)


@pytest.mark.django_db
@spelled
def test_why_a_file_is_refused_holds_none(clerk, city, written):
    """The sentence quotes what stands in the file: titles of columns, names of things."""
    if "\n" not in written:
        head = f"財產編號,種類,廠牌,連網情形,{written},{written}"
        run = uploads.send(clerk, f"{head}\n1,2,3,4,5,6\n".encode(), source="devices")
        assert "出現兩次" in run.reason and not clear(run.reason)
    entry = {"cveID": written, "vendorProject": "x", "product": "x", "dateAdded": "2026-01-01"}
    with pytest.raises(IntelligenceRejected) as refused:
        intelligence.read(json.dumps({"vulnerabilities": [entry]}).encode())
    assert not clear(str(refused.value))
    assert not clear(database())


@pytest.mark.django_db
@spelled
def test_a_failed_sign_in_holds_none(client, city, written):
    answer = client.post("/accounts/login/", {"username": written, "password": written})
    assert not clear(answer.content.decode())
    assert not clear(database())
