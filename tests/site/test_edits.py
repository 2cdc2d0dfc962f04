"""Two people edit one thing: nothing that one has stored is lost, and who comes second is told."""

import ast
import copy
import re
import time
from contextlib import closing
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import (
    DEFAULT_DB_ALIAS,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.test import Client
from django.utils import timezone

from ismp.accounts.models import Account, Department
from ismp.audit.models import Event
from ismp.compliance.models import Example, PolicyVersion, Rule
from ismp.compliance.rules import actions as rules
from ismp.courses.models import Course, Material, Question, Session
from ismp.courses.online.actions import authoring
from ismp.errors import ActionRefused
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.models import Address, Incident
from ismp.ui.resources import versions
from tests.support.examples import EXAMPLES, each_that_adds
from tests.support.hosts import PASSWORD
from tests.support.html_forms import forms_in
from tests.support.installations import ROOT
from tests.support.sessions import place

REPORT = "您開啟這一頁之後，有人改過這筆資料"
__all__ = ["place"]

WRITTEN_BY_THE_SAVE = {
    "departments": {"path"},
    "devices": {"asset_key", "restriction"},
    "online_courses": {"folded_title"},
    "classroom_courses": {"folded_title"},
    "advisories": {"decided", "source_modified", "cve_words"},
}


@pytest.fixture
def editor(client, account, things):
    """(resource) → an administrator's browser, and an object that the administrator added."""

    def begin(module):
        example = EXAMPLES[module.name]
        client.force_login(account("IC1001", example.by))
        answer = client.post(module.address("add"), example.good(7))
        assert answer.status_code == 302, module.name
        pk = int(answer["Location"].rstrip("/").rpartition("/")[2])
        user = Account.objects.select_related("agency").get(username="IC1001")
        return client, module.address("edit", pk), module.rows(user).get(pk=pk)

    return begin


def form_of(page, address):
    """The form of an edit page, and what it sends when nobody touches it."""
    text = page.content.decode()
    every = [one for one in forms_in(address, text) if "form_version" in one.fields]
    return every[0].shown()


def colleague(account, role):
    """The browser of another administrator of the same agency."""
    other = Client()
    other.force_login(account("IC1002", role))
    return other


def _other_value(field, value):
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.IntegerField) and not field.choices:
        return (value or 0) + 1
    if isinstance(field, models.CharField | models.TextField) and not field.choices:
        return f"{value or ''}X"[-(field.max_length or 100) :]
    return value


def change_another_column(thing, form_names):
    """Change by itself whatever column the form does not hold; return those that could be."""
    done = {}
    for field in thing._meta.concrete_fields:
        if field.primary_key or field.is_relation or field.name in form_names:
            continue
        value = _other_value(field, getattr(thing, field.attname))
        if value == getattr(thing, field.attname):
            continue
        try:
            with transaction.atomic():
                type(thing)._base_manager.filter(pk=thing.pk).update(**{field.attname: value})
            done[field.attname] = value
        except Exception:  # a constraint holds this one
            continue
    return done


@pytest.mark.django_db
@each_that_adds
def test_an_edit_stores_nothing_but_what_it_changed(editor, module, monkeypatch):
    """Another one changes other columns between the drawing of the form, or the reading of the
    thing, and the saving."""
    client, address, thing = editor(module)
    shown = form_of(client.get(address), address)
    user = Account.objects.select_related("agency").get(username="IC1001")
    names = set(module.form(user=user, instance=thing).fields) | {"state", "session_round"}
    names |= WRITTEN_BY_THE_SAVE.get(module.name, set())
    done, hold = {}, versions.hold

    def late(things, pks):
        done.update(change_another_column(thing, names))
        hold(things, pks)

    monkeypatch.setattr(versions, "hold", late)
    typed = {**shown, **EXAMPLES[module.name].good(7)}
    answer = client.post(address, typed)
    assert answer.status_code == 302, re.findall(
        r'role="alert"[^>]*>([^<]*)', answer.content.decode()
    )
    stored = type(thing)._base_manager.get(pk=thing.pk)
    assert {name: getattr(stored, name) for name in done} == done


@pytest.mark.django_db
@each_that_adds
def test_a_stale_form_comes_back_and_stores_what_the_person_then_chooses(editor, account, module):
    client, address, thing = editor(module)
    own = form_of(client.get(address), address)
    another = colleague(account, EXAMPLES[module.name].by)
    assert another.post(address, EXAMPLES[module.name].good(8)).status_code == 302
    theirs = form_of(client.get(address), address)
    stored = type(thing)._base_manager.filter(pk=thing.pk)
    before = stored.values().get()
    answer = client.post(address, own)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert REPORT in page
    assert "IC1002" in page  # who changed it
    assert "（您沒有改，照現在的）" in page
    assert stored.values().get() == before
    again = form_of(answer, address)
    keep = {name: value for name, value in theirs.items() if not name.startswith(("csrf", "form_"))}
    assert {name: again[name] for name in keep} == keep
    assert client.post(address, again).status_code == 302


@pytest.mark.django_db
def test_what_is_ones_own_stays_over_the_rest_and_both_values_are_shown(editor, account):
    from ismp.accounts.resources import ACCOUNTS

    client, address, person = editor(ACCOUNTS)
    shown = form_of(client.get(address), address)
    another = colleague(account, "agency_admin")
    assert another.post(address, {**shown, "name": "甲改的"}).status_code == 302
    answer = client.post(address, {**shown, "email": "b@example.org"})
    page = answer.content.decode()
    assert REPORT in page
    assert "甲改的" in page
    form = form_of(answer, address)
    assert (form["name"], form["email"]) == ("甲改的", "b@example.org")
    assert client.post(address, form).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.email) == ("甲改的", "b@example.org")
    page = client.post(address, {**shown, "name": "乙改的"}).content.decode()
    table = page.partition("不同的地方")[2].partition("</table>")[0]
    assert "甲改的" in table
    assert "乙改的" in table


@pytest.mark.django_db
def test_who_finds_only_her_own_changes_is_not_asked(editor):
    """The back button brings the form back, to be corrected."""
    from ismp.accounts.resources import ACCOUNTS

    client, address, person = editor(ACCOUNTS)
    shown = form_of(client.get(address), address)
    for name in ("甲改的", "乙改的"):
        assert client.post(address, {**shown, "name": name}).status_code == 302
    person.refresh_from_db()
    assert person.name == "乙改的"


@pytest.mark.django_db
def test_a_number_typed_into_a_stale_form_is_masked_as_everywhere(editor, account):
    from ismp.courses.teachers.resources import TEACHERS

    client, address, _ = editor(TEACHERS)
    shown = form_of(client.get(address), address)
    field = next(name for name in shown if name in {"profile", "expertise", "organization"})
    another = colleague(account, "agency_admin")
    assert another.post(address, {**shown, field: "改過"}).status_code == 302
    page = client.post(address, {**shown, field: "A123456789 的經歷"}).content.decode()
    assert REPORT in page
    assert "A123456789" not in page


@pytest.mark.django_db
def test_a_form_without_a_version_or_with_a_senseless_one_is_taken_as_ever(editor):
    from ismp.accounts.resources import DEPARTMENTS

    client, address, thing = editor(DEPARTMENTS)
    shown = form_of(client.get(address), address)
    client.post(address, {**shown, "name": "別人改的科"})
    for version in (None, "", "x", "9" * 40, "1 name", "١ name=x", "1 nothing=x"):
        typed = {"name": f"測試{version and len(version)}科"}
        if version is not None:
            typed["form_version"] = version
        answer = client.post(address, typed)
        assert answer.status_code == 302 or REPORT in answer.content.decode()
    assert Department.objects.filter(pk=thing.pk).exists()


@pytest.mark.django_db
def test_a_version_tells_nothing(editor):
    from ismp.accounts.resources import ACCOUNTS

    client, address, account = editor(ACCOUNTS)
    version = form_of(client.get(address), address)["form_version"][0]
    assert re.fullmatch(r"\d+( \w+=[\w-]{12})+", version)
    assert account.name not in version


@pytest.mark.django_db
def test_an_action_that_starts_from_what_stands_is_checked_too(client, account, things):
    client.force_login(account("IC1001", "agency_admin"))
    person = Account.objects.get(username="IC1003")
    address = "/manage/accounts/appoint/"
    page = client.post(address, {"ids": [person.pk]})
    shown = form_of(page, address)
    other = colleague(account, "agency_admin")
    values = {"ids": [person.pk], "confirmed": "1", "role": "teacher"}
    assert other.post(address, values).status_code == 302
    answer = client.post(address, {**shown, "role": "agency_admin"})
    assert REPORT in answer.content.decode()
    person.refresh_from_db()
    assert person.role == "teacher"
    assert partial(client.post, address, form_of(answer, address))().status_code == 302
    person.refresh_from_db()
    assert person.role == "agency_admin"


# --- Forms that are not of the kit ---------------------------------------------------------------


@pytest.mark.django_db
def test_two_sheets_of_one_class_lose_nothing(client, account, things):
    """Who was marked absent on one sheet stays so when an older sheet stores a score."""
    session = Session.objects.get()
    meeting = session.meetings.get()
    meeting.starts_at = timezone.now() - timedelta(hours=2)
    meeting.ends_at = timezone.now() - timedelta(hours=1)
    meeting.save()
    client.force_login(account("CU1001", "platform_admin"))
    address = f"/courses/teaching/sessions/{session.pk}/"
    one = session.sign_ups.filter(standing="enrolled").order_by("pk").first()
    meeting.attendances.get_or_create(sign_up=one, defaults={"way": "list", "by": "x"})

    def sheet():
        every = forms_in(address, client.get(address).content.decode())
        return next(form for form in every if f"score-{one.pk}" in form.fields).shown()

    older, absent = sheet(), sheet()
    absent[f"meeting-{meeting.pk}"] = []
    page = client.post(address, absent, follow=True).content.decode()
    assert "已儲存出席與成績" in page
    assert not meeting.attendances.filter(sign_up=one).exists()
    older[f"score-{one.pk}"] = "88"
    assert "已儲存出席與成績" in client.post(address, older, follow=True).content.decode()
    assert not meeting.attendances.filter(sign_up=one).exists()
    one.refresh_from_db()
    assert one.score == 88
    older[f"score-{one.pk}"] = "60"
    page = client.post(address, older, follow=True).content.decode()
    assert "別人改為「88" in page
    assert "您填的是「60」" in page
    one.refresh_from_db()
    assert one.score == 88


@pytest.mark.django_db
def test_a_policy_that_was_drawn_before_another_one_comes_back(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    address = "/manage/learning-map/rules/policy/"

    def drawn(page, **typed):
        every = forms_in(address, page.content.decode())
        return next(form for form in every if "grace_days" in form.fields).shown(**typed)

    own = drawn(client.get(address), since="119-01-01", two_years="pairs")
    theirs = drawn(client.get(address), since="119-01-01", grace_days="30", confirmed="1")
    assert client.post(address, theirs).status_code == 302
    answer = client.post(address, {**own, "confirmed": "1"})
    page = answer.content.decode()
    assert REPORT in page
    assert "新到職寬限 30 天" in page
    assert PolicyVersion.objects.count() == 1
    preview = client.post(address, drawn(answer))
    assert REPORT not in preview.content.decode()
    again = drawn(preview)
    assert client.post(address, {**again, "confirmed": "1"}).status_code == 302
    assert PolicyVersion.objects.count() == 2


@pytest.mark.django_db
def test_a_question_and_a_quiz_that_others_changed_come_back(client, account, things):
    client.force_login(account("IC1001", "agency_admin"))
    course = Course.objects.get(pk=things["online_courses_id"])
    places = [f"/manage/online-courses/{course.pk}/quiz/"]
    places += [f"/manage/online-courses/questions/{one.pk}/edit/" for one in course.questions.all()]
    another = colleague(account, "agency_admin")
    changes = {"quiz": ("pass_mark", "61"), "edit": ("text", "改過的題目")}
    for address in places[:2]:
        name, value = changes[address.rstrip("/").rpartition("/")[2]]
        shown = form_of(client.get(address), address)
        assert another.post(address, {**shown, name: value}).status_code == 302
        answer = client.post(address, shown)
        assert REPORT in answer.content.decode()
        assert form_of(answer, address)[name] == value
        assert client.post(address, form_of(answer, address)).status_code == 302


# --- The second of two who do the same ----------------------------------------------------------


@pytest.mark.django_db
def test_a_second_action_from_an_old_page_is_refused_and_leaves_no_event(things, account):
    """Each action looks at what it locked, not at what the page was drawn from."""
    by = account("IC1001", "platform_admin")
    course = Course.objects.get(pk=things["online_courses_id"])
    first, second = (
        authoring.save_material(Material(course=course, kind="page", title=f"{n}"), None, by=by)
        for n in "12"
    )
    question = Question.objects.get(pk=things["question_id"])
    example = Example.objects.order_by("pk").first() or rules.add_example(
        Rule.objects.first(),
        title="x",
        on=date(1990, 1, 1),
        grade="A",
        records=[],
        missing=None,
        by=by,
    )
    address = Address.objects.select_related("advisory", "agency").get(pk=things["addresses_id"])
    actions = (
        ("remove_material", partial(authoring.remove_material, first, by=by)),
        ("remove_question", partial(authoring.remove_question, question, by=by)),
        ("remove_example", partial(rules.remove_example, example, by=by)),
        ("incident", partial(advisory_actions.to_incident, [address], by=by)),
    )
    for verb, act in actions:
        kept = copy.deepcopy(act)
        act()
        events = Event.objects.count()
        with pytest.raises(ActionRefused, match="重新整理"):
            kept()
        assert Event.objects.count() == events, verb
    material = copy.deepcopy(second)
    authoring.remove_material(second, by=by)
    with pytest.raises(ActionRefused, match="重新整理"):
        authoring.move_up(material, by=by)


@pytest.mark.django_db
def test_nothing_is_acknowledged_twice(client, things, account):
    client.force_login(account("IC1001", "platform_admin"))
    values = {"ids": [things["addresses_id"]], "confirmed": "1"}
    pages = [
        client.post("/manage/addresses/acknowledge/", values, follow=True).content.decode()
        for _ in range(2)
    ]
    assert "已簽收：1 筆" in pages[0]
    assert "沒有可以「簽收」" in pages[1]
    assert Event.objects.filter(verb="acknowledge_advisory").count() == 1


@pytest.mark.django_db
def test_a_correction_of_an_incident_carries_its_version(client, things, account):
    """更正內容, and the questions of the level on the incident's page."""
    client.force_login(account("IC1001", "platform_admin"))
    another = colleague(account, "platform_admin")
    page = f"/incidents/{things['incident_id']}/"
    own = form_of(client.get(f"{page}edit/"), f"{page}edit/")
    theirs = form_of(another.get(f"{page}edit/"), f"{page}edit/")
    another.post(f"{page}edit/", {**theirs, "title": "別人改的"})
    answer = client.post(f"{page}edit/", {**own, "description": "我改的"})
    text = answer.content.decode()
    assert REPORT in text and "IC1002" in text and "別人改的" in text
    incident = Incident.objects.get(pk=things["incident_id"])
    assert (incident.title, incident.description) == ("別人改的", "示範")
    again = form_of(answer, f"{page}edit/")
    assert client.post(f"{page}edit/", again).status_code == 302
    incident.refresh_from_db()
    assert (incident.title, incident.description) == ("別人改的", "我改的")

    shown = [form_of(browser.get(page), page) for browser in (client, another)]
    one, other = (
        {**form, "availability_subject": "non_core", "availability_harm": harm}
        for form, harm in zip(shown, ("slight", "serious"), strict=True)
    )
    assert "已完成" in another.post(f"{page}level/", other, follow=True).content.decode()
    text = client.post(f"{page}level/", one, follow=True).content.decode()
    assert "有人改過影響評估" in text
    incident.refresh_from_db()
    assert incident.answers["availability"] == ["non_core", "serious"]


# --- Each waits for the other --------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("times", "status"), [(1, 302), (2, 302), (3, 503)])
def test_what_postgresql_ended_as_a_deadlock_is_done_again(clerk, monkeypatch, times, status):
    left = [1] * times

    class Deadlock(Exception):
        sqlstate = "40P01"

    hold = versions.hold

    def fails(things, pks):
        if left:
            left.pop()
            raise OperationalError("deadlock detected") from Deadlock()
        hold(things, pks)

    address = f"/manage/departments/{Department.objects.earliest('pk').pk}/edit/"
    monkeypatch.setattr(versions, "hold", fails)
    clerk.raise_request_exception = False
    answer = clerk.post(address, {"name": "改過的科"})
    assert answer.status_code == status
    assert Event.objects.filter(verb="save_department").count() == (status == 302)


# --- Together, on PostgreSQL ---------------------------------------------------------------------


@pytest.mark.postgresql
def test_nobody_waits_for_whoever_holds_the_account(place):
    """A roster holds the accounts of a piece; who signs in, or turns a page, does not wait."""
    person = Account.objects.get(username="IC1003")
    person.set_password(PASSWORD)
    person.save(update_fields=["password"])
    holder = connections[DEFAULT_DB_ALIAS].copy()
    with closing(holder), holder.cursor() as cursor, connection.cursor() as here:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", [person.pk])
        here.execute("SET lock_timeout = '5s'")
        client = Client()
        values = {"username": "IC1003", "password": PASSWORD}
        assert client.post("/accounts/login/", values).status_code == 302
        assert client.get("/").status_code == 200
        person.refresh_from_db()
        assert person.last_seen_at is None
        cursor.execute("ROLLBACK")
        here.execute("RESET lock_timeout")
        session = client.session
        session["last_active"] = 1.0 + time.time() - 120
        session.save()
        assert client.get("/").status_code == 200
        person.refresh_from_db()
        assert person.last_seen_at is not None


# --- The law of all saves ------------------------------------------------------------------------


WHOLE_OR_NAMED = {"update_fields", "force_insert", "commit", None}


def saves():
    """Each call of `save` on what may be a row: the file, its line, what it names."""
    for path in sorted((ROOT / "ismp").rglob("*.py")):
        name = path.relative_to(ROOT / "ismp").as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_save = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if not is_save or node.func.attr != "save":
                continue
            receiver = ast.unparse(node.func.value)
            if receiver not in {"super()", "session", "advisories", "actions"}:
                yield f"{name}:{node.lineno}", receiver, {one.arg for one in node.keywords}


def test_every_save_names_its_columns_or_adds_a_row():
    """A whole row that is written back undoes what others changed in it meanwhile."""
    found = [place for place, _, named in saves() if not named & WHOLE_OR_NAMED]
    assert not found
