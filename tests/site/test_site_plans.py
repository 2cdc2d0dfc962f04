"""How PostgreSQL goes about every query of the site, in a freshly restored database of 200,000 rows
a table that was never analysed: none compares two large sides row by row."""

import csv
import io

import pytest
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.test import Client
from django.urls import reverse

from ismp.accounts.models import Account
from ismp.hours.models import Record, RecordRevision
from ismp.operations import chores
from tests.support import uploads
from tests.support.html_forms import forms_in
from tests.support.installations import Place
from tests.support.pairs import NUMBER, sendable, signed_in
from tests.support.query_plans import LargeTwin, plans
from tests.support.rights import MATRIX, OPEN, ROLES, addresses
from tests.support.states import STATES

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
ROWS = 200_000


@pytest.fixture(scope="module")
def twin(tmp_path_factory, full_town, django_db_blocker):
    with django_db_blocker.unblock():
        place = Place(tmp_path_factory.mktemp("plans") / "home", like=full_town)
        twin = LargeTwin(place, ROWS)
        yield twin
        twin.close()
        place.close()


def titled_alike():
    """Taken for one row compared with one, they are 200,000 compared with 200,000."""
    revised = RecordRevision.objects.filter(agency=1, run=1, category=522).values("title")
    return Record.objects.filter(agency=1, run=1, category=522, title__in=revised)


def counted_anew():
    """A sum over all accounts, for each record."""
    return Record.objects.annotate(
        any=Exists(Account.objects.filter(status="active", name__lt=OuterRef("title")).order_by())
    )


@pytest.mark.parametrize("rows", [titled_alike(), counted_anew()])
def test_what_compares_two_large_sides_is_found(twin, rows):
    assert twin.quadratic(rows)


@pytest.mark.parametrize(
    "rows",
    [
        Record.objects.filter(account=1, run__in=Record.objects.filter(account=1).values("run")),
        Account.objects.order_by("agency__code", "username").select_related("agency")[:50],
        Account.objects.annotate(any=Exists(Record.objects.filter(account=OuterRef("pk")))),
    ],
)
def test_what_reads_each_row_once_is_not(twin, rows):
    assert not twin.quadratic(rows)


@pytest.fixture
def looked_at(twin):
    """Explain the queries meanwhile; none may be quadratic."""
    with plans(twin=twin) as found:
        yield
    assert not found, "\n\n".join(f"{words}\n{sql}" for words, sql in found)


def send_each_form(client, address, answer, done, is_confirmation=False):
    """Fill in and send the forms of a page, and those of the pages that ask for a confirmation;
    each is rolled back.  `done`: keys of the forms that were sent."""
    if not answer.get("Content-Type", "").startswith("text/html"):
        return
    for form in forms_in(address, answer.content.decode()):
        for place, pressed in form.ways():
            key = (place, *form.fields, *pressed.values())
            if key in done:
                continue
            done.add(key)
            browser = Client()  # signing out ends the session of a copy
            browser.cookies = client.cookies.copy()
            with transaction.atomic():
                confirmation = browser.post(place, form.filled(**pressed))
                transaction.set_rollback(True)
            assert confirmation.status_code < 500, place
            if not is_confirmation:
                send_each_form(client, place, confirmation, done, is_confirmation=True)


@pytest.mark.parametrize("role", [*ROLES, None])
def test_no_page_and_no_form(things, looked_at, role):
    client, done = signed_in("IC1001", role).client if role else Client(), set()
    for name, address in addresses():
        if role in MATRIX.get(name, ROLES) or name in OPEN:
            page = address.format(**things)
            answer = client.get(page)
            if answer.streaming:
                b"".join(answer)
            else:
                send_each_form(client, page, answer, done)
    assert len(done) >= (2 if role is None else 10)


@pytest.mark.parametrize("name", STATES)
def test_no_action(things, looked_at, django_capture_on_commit_callbacks, name):
    for state in STATES[name]:
        sender = signed_in(*state.senders[0])
        for action in sendable(name, state, sender, state.make(next(NUMBER))):
            thing = state.make(next(NUMBER))
            with django_capture_on_commit_callbacks(execute=True):
                if form := sendable(name, state, sender, thing)[action]():
                    sender.client.post(*form)


def test_no_chore(things, looked_at, monkeypatch):
    monkeypatch.setattr(chores.connections, "close_all", lambda: None)
    chores.run_due(chores.all_chores())


LISTS = {
    "roster": ("people", "姓名", "公務帳號"),
    "devices": ("devices", "放置地點", "財產編號"),
    "products": ("products", "來源函號", "廠牌"),
}
"""{kind of import: the resource whose download it reads, a column to change, its key}."""


@pytest.mark.parametrize("source", LISTS)
def test_no_list_that_is_imported(things, looked_at, source):
    """Each row once with another value, then once more as a new one."""
    name, changed, key = LISTS[source]
    client = signed_in("IC1001", "platform_admin").client
    downloaded = client.get(reverse(f"{name}:export"), {"format": "csv"}).getvalue()
    rows = list(csv.DictReader(io.StringIO(downloaded.decode("utf-8-sig"))))
    rows = [row for row in rows if row.get("公務帳號") != "IC1001"]  # nobody changes their own line
    for column in (changed, key):
        for row in rows:
            row[column] += "9"
            row.update({"身分證字號": "", "電子郵件": ""} if source == "roster" else {})
        text = io.StringIO()
        table = csv.DictWriter(text, rows[0])
        table.writeheader()
        table.writerows(rows)
        run = uploads.send(client, text.getvalue().encode("utf-8-sig"), source=source)
        assert run.created or run.updated, run.reason
