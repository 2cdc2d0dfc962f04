"""Every module of the list kit, walked in the same way: a new one is tested by being there."""

import io
import json
import re

import openpyxl
import pytest
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ismp.audit.models import Event
from ismp.portal.menus import MODULES
from tests.support.examples import EXAMPLES, each_that_adds, modules
from tests.support.rights import EVERYBODYS, MATRIX, ROLES

pytestmark = pytest.mark.django_db


each = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


each_that_adds_many = pytest.mark.parametrize(
    "module",
    [one for one in modules() if one.form and EXAMPLES[one.name].most >= 100],
    ids=lambda module: module.name,
)


@pytest.fixture
def add(client, things, account):
    """Add `count` things through the form; returns them."""
    made = iter(range(10_000))

    def fill(module, count=1):
        person = account("IC1001", EXAMPLES[module.name].by)
        client.force_login(person)
        before = set(module.rows(person).values_list("pk", flat=True))
        for _ in range(count):
            answer = client.post(module.address("add"), EXAMPLES[module.name].good(next(made)))
            assert answer.status_code == 302, answer.content.decode()
        rows = module.rows(person)
        new = list(rows.exclude(pk__in=before).order_by("pk"))
        assert len(new) == count
        return new

    return fill


def test_every_module_has_an_example():
    assert {module.name for module in modules() if module.form} == set(EXAMPLES)


def test_the_menu_leads_to_every_list():
    """By a tab of its own in a module that exists, or under the tab of another page."""
    tabs = [tab for one in MODULES for tab in one.tabs]
    covered = [name for tab in tabs for name in tab.covers.split()]
    for one in modules():
        assert covered.count(one.name) == 1, one.name
        assert bool(one.menu) == (f"{one.name}:list" in {tab.address for tab in tabs}), one.name


@each_that_adds
def test_added_found_changed_recorded(client, add, module):
    [thing] = add(module)
    page = client.get(module.address("page", thing.pk)).content.decode()
    for column in module.columns:
        if not column.right:
            assert str(column.value(thing)) in page
    assert (
        str(module.columns[0].value(thing)) in client.get(module.address("list")).content.decode()
    )
    again = {**EXAMPLES[module.name].good(7_777)}
    answer = client.post(module.address("edit", thing.pk), again)
    assert answer["Location"] == module.address("page", thing.pk)
    changed = module.rows(client.get("/").wsgi_request.user).get(pk=thing.pk)
    cells = [[one.value(as_it_is) for one in module.columns] for as_it_is in (thing, changed)]
    assert cells[0] != cells[1]
    history = client.get(module.address("history", thing.pk)).content.decode()
    edited = Event.objects.filter(subject=module.subject(thing)).latest("number")
    assert edited.detail["changes"] and " → " in history
    assert history.count("IC1001</td>") == 2
    assert Event.objects.filter(subject=module.subject(thing)).count() == 2
    for verb in Event.objects.filter(subject=module.subject(thing)).values_list("verb", flat=True):
        assert verb not in history  # it is told in words


@each_that_adds
def test_bad_input_gets_one_clear_sentence(client, add, module):
    [thing] = add(module)
    example = EXAMPLES[module.name]
    bad = {**example.good(1), **example.bad}
    events = Event.objects.count()
    for address in (module.address("add"), module.address("edit", thing.pk)):
        answer = client.post(address, bad)
        assert (answer.status_code, Event.objects.count()) == (200, events)
        assert example.says in answer.content.decode()


@each
def test_search_and_filters(client, account, things, module):
    client.force_login(account("IC1001", "platform_admin"))
    assert module.rows(account("IC1001", "platform_admin")).ordered
    address = module.address("list")
    for field in module.search:
        answer = client.get(address, {"field": field, "q": "絕對沒有這個字"})
        assert "沒有符合條件" in answer.content.decode()
    user = account("IC1001", "platform_admin")
    for one in module.filters:
        for choice, _ in one.offered(user):
            answer = client.get(address, {one.name: choice})
            found = answer.context["page"].paginator.count
            assert found == one.narrowed(module.rows(user), choice).count()
    odd = {"field": "password", "q": "%_'\"", "page": "x", "per_page": "7"}
    assert (
        client.get(address, {**odd, **{one.name: "?" for one in module.filters}}).status_code == 200
    )


@each
def test_a_national_id_in_the_search_leaves_the_address(client, account, things, module):
    client.force_login(account("IC1001", "agency_admin"))
    answer = client.get(module.address("list"), {"q": "a１23456789", "per_page": "20"})
    assert answer["Location"] == f"{module.address('list')}?per_page=20"


@each_that_adds_many
def test_pages_and_export_hold_the_whole_query(client, add, module):
    add(module, 25)
    answer = client.get(module.address("list"), {"per_page": "20", "page": "2"})
    total = answer.context["page"].paginator.count
    assert total >= 25
    assert len(answer.context["page"].object_list) == min(20, total - 20)
    export = module.address("export")
    lines = b"".join(client.get(export, {"format": "csv"}).streaming_content).decode("utf-8-sig")
    assert lines.splitlines()[0].startswith(module.columns[0].title)
    assert len(lines.splitlines()) == total + 1
    book = openpyxl.load_workbook(io.BytesIO(b"".join(client.get(export).streaming_content)))
    assert book.active.max_row == total + 1
    assert Event.objects.filter(verb="export_list").count() == 2


@each_that_adds_many
def test_the_same_queries_for_one_thing_and_for_thirty(client, add, module):
    counts = []
    for more in (1, 29):
        thing = add(module, more)[0]
        places = (
            ("list", ()),
            ("page", (thing.pk,)),
            ("history", (thing.pk,)),
            ("edit", (thing.pk,)),
        )
        taken = {}
        for name, args in places:
            client.get("/")
            with CaptureQueriesContext(connection) as queries:
                assert client.get(module.address(name, *args)).status_code == 200
            taken[name] = len(queries)
        counts.append(taken)
    assert counts[0] == counts[1]


@each
@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_edit_is_offered_nothing(client, account, things, module, role):
    client.force_login(account("IC1001", role))
    user = account("IC1001", role)
    if role not in MATRIX[f"{module.name}:list"]:
        assert client.get(module.address("list")).status_code == 403
        return
    thing = things[f"{module.name}_id"]
    pages = [client.get(module.address(*where)) for where in (("list",), ("page", thing))]
    shown = "".join(page.content.decode() for page in pages)
    for action in module.actions:
        if not user.may(action.right):
            assert module.address(action.name) not in shown
            assert client.post(module.address(action.name), {"ids": thing}).status_code == 403
    if module.form and not user.may(module.edit):
        assert module.address("add") not in shown
        assert module.address("edit", thing) not in shown


@each
def test_an_action_asks_first_and_sees_only_what_one_may_see(client, account, things, module):
    thing = things[f"{module.name}_id"]
    events = Event.objects.count()
    client.force_login(account("IC1001", "agency_admin"))
    for action in module.actions:
        if not account("IC1001", "agency_admin").may(action.right):
            continue
        address = module.address(action.name)
        assert client.post(address)["Location"] == module.address("list")
        asked = client.post(address, {"ids": [thing]})
        assert asked.status_code == 200
        assert f"確定{action.title}" in asked.content.decode()
    if f"{module.name}:page" in EVERYBODYS:
        return
    client.force_login(account("EP1001", "agency_admin"))
    for action in module.actions:
        if account("EP1001", "agency_admin").may(action.right):
            answer = client.post(module.address(action.name), {"ids": [thing], "confirmed": "1"})
            assert answer.status_code == 404
    assert Event.objects.count() == events


@each
@pytest.mark.parametrize("role", ["platform_admin", "agency_admin"])
def test_an_action_ends_in_a_page_a_file_or_words(client, things, account, module, role):
    """Done with what its form needs, no action says a Python object (`<HttpResponse …>`)."""
    person = account("IC1001", role)
    client.force_login(person)
    for action in module.actions:
        if not person.may(action.right):
            continue
        typed = (
            EXAMPLES[module.name].actions.get(action.name, {}) if module.name in EXAMPLES else {}
        )
        asked = {"ids": [things[f"{module.name}_id"]], "confirmed": "1", **typed}
        with transaction.atomic():
            answer = client.post(module.address(action.name), asked)
            said = [str(one) for one in get_messages(answer.wsgi_request)]
            transaction.set_rollback(True)
        if not answer.streaming and answer["Content-Type"].startswith("text/html"):
            said.append(answer.content.decode())
        for words in said:
            assert not re.search(r"(<|&lt;)Http| object at 0x", words), (action.name, words)


def test_stix_of_an_advisory_comes_as_a_file(client, things, account):
    client.force_login(account("IC1001", "platform_admin"))
    ids = {"ids": [things["advisories_id"]], "confirmed": "1"}
    answer = client.post("/manage/advisories/stix/", ids)
    assert answer["Content-Type"].startswith("application/stix+json")
    assert "attachment" in answer["Content-Disposition"]
    assert json.loads(answer.content)["type"] == "bundle"


def test_an_advisory_turned_into_an_incident_leads_to_it(client, things, account):
    client.force_login(account("IC1001", "agency_admin"))
    ids = {"ids": [things["addresses_id"]], "confirmed": "1"}
    answer = client.post("/manage/addresses/incident/", ids)
    assert (answer.status_code, answer["Location"][:11]) == (302, "/incidents/")
    assert client.get(answer["Location"]).status_code == 200
