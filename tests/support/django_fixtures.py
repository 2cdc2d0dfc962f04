"""Fixtures of tests with Django: a database, an invented city, its contents.

Loaded before the first test module outside of `unit/` (`conftest.py`).
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from tests.support import UNIT
from tests.support.empty_database import set_up_database
from tests.support.prefilled_databases import World


@pytest.fixture(autouse=True)
def _plain_static_files(request: Any) -> None:
    if UNIT in request.path.parents:
        return
    settings = request.getfixturevalue("settings")
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _law() -> None:
    """The shipped rules: a test that emptied every table took them too."""
    from ismp.compliance.models import Example, Rule, RuleVersion
    from ismp.compliance.rules import statute

    statute.enact(Rule, RuleVersion, Example)


def _city() -> None:
    from ismp.accounts import demo_data
    from ismp.accounts.actions import postings

    _law()
    postings.import_roster(demo_data.roster_csv(demo_data.city()).encode(), by="test")
    _confirm_all("IC1001")


def _confirm_all(username: str) -> None:
    """Let whoever has two accounts be one person, as the platform confirms it; all have read the
    notices of it."""
    from ismp.accounts.actions import person_links
    from ismp.accounts.models import Account, PersonLink
    from ismp.notifications.models import Notice

    for link in PersonLink.objects.waiting():
        person_links.confirm(link, by=Account.objects.get(username=username))
    Notice.objects.all().delete()


@pytest.fixture
def city(there: Any) -> list[Any]:
    """The invented city, brought in by its roster: its people."""
    from ismp.accounts import demo_data

    return demo_data.city()


def _appointed(username: str, role: str = "staff") -> Any:
    from ismp.accounts.models import Account

    found = Account.objects.select_related("agency").get(username=username)
    found.role = role
    found.save(update_fields=["role"])
    return found


@pytest.fixture
def account(city: Any) -> Callable[..., Any]:
    """An account of the city, appointed to a role."""
    return _appointed


@pytest.fixture
def clerk(client: Any, account: Any) -> Any:
    """A browser in which the clerk of the first agency is signed in."""
    client.force_login(account("IC1001", "agency_admin"))
    return client


def _imported(
    data: bytes, *, agency: str = "382990001Z", filename: str = "file.csv", **options: Any
) -> dict[str, Any]:
    from ismp.accounts.models import Agency
    from ismp.imports import actions, report

    found = Agency.objects.get(code=agency)
    done = actions.import_file([data], agency=found, filename=filename, **options)
    return {**report.as_json(done), "run": done}


@pytest.fixture
def import_bytes(city: Any) -> Callable[..., dict[str, Any]]:
    """Import a file into an agency, as the command does; returns the contract's JSON object."""
    return _imported


def _cities() -> None:
    from ismp.accounts.actions import postings
    from tests.support import scenarios
    from tests.support.laws import take

    _law()
    postings.import_roster(scenarios.roster_csv(), by="test")
    _confirm_all("a-wang")
    theirs = scenarios.file(scenarios.row(national_id=scenarios.OF_B, name="孫文化"))
    assert take(theirs, agency=scenarios.AGENCY_B).created == 1


@pytest.fixture
def cities(there: Any) -> None:
    """Both agencies of `world`; the other one has a record of its own."""


@pytest.fixture
def things(there: Any) -> dict[str, Any]:
    """One thing of the first agency for each parameter of an address, by the parameter's name."""
    return dict(there)


@pytest.fixture
def make_things(city: Any) -> Callable[[], dict[str, Any]]:
    """Makes what `things` holds, before the eyes of the test."""
    return _things_of_the_city


def _things() -> dict[str, Any]:
    _city()
    return _things_of_the_city()


def _things_of_the_city() -> dict[str, Any]:
    from django.utils import timezone

    from ismp.accounts.models import Account
    from ismp.compliance.models import Example, PolicyVersion
    from ismp.courses.models import Teacher
    from ismp.hours.models import Duplicate, Record
    from ismp.hours.records.actions import records
    from ismp.portal import actions as portal
    from ismp.ui.resources.resource import every
    from tests.support import derived
    from tests.support.course_offers import offered
    from tests.support.portal_files import data, row
    from tests.support.things import of_claims, of_persons, of_requests, of_security, of_uploads

    account = _appointed
    run = _imported(data(row(), row(total="9")))["run"]
    deletion = records.delete(Record.objects.all(), reason="誤植", by=account("IC1001"))
    record = Record.objects.get()
    both = {"credited": record, "imported": record, "decision": "both"}
    pair = Duplicate.objects.create(agency=record.agency, **both)
    values = {"subject": "匯入", "place": "", "body": "看不懂", "contact": "1234", "run": run}
    ticket = portal.open_ticket(**values, by=account("IC1001"))
    today = timezone.localdate()
    paper = portal.issue_certificate(start=today, end=today, by=account("IC1001"))
    agency = account("IC1001").agency
    example = Example.objects.first()
    teacher = Teacher.objects.create(agency=agency, account=account("IC1001"))
    found = {
        **offered(teacher),
        "rule_id": example.rule_id,
        "example_id": example.pk,
        "version_id": example.rule.versions.latest("since").pk,
        "policy_id": PolicyVersion.objects.create(since=date(2012, 1, 1)).pk,
        "code": paper.code,
        "run_id": run.pk,
        "deletion_id": deletion.pk,
        "duplicates_id": pair.pk,
        "page_name": "faq",
        "ticket_id": ticket.pk,
        "people_id": Account.objects.get(username="IC1003").pk,
        "departments_id": agency.departments.first().pk,
        "agencies_id": agency.pk,
        "teachers_id": teacher.pk,
        "account_id": account("IC1002").pk,
        **of_security(account("IC1001")),
        **of_requests(account("IC1002"), account("CU1001", "agency_admin")),
        **of_persons(
            account("IC1003"),
            account("CU1002"),
            asked_by=account("CU1001", "agency_admin"),
            decided_by=account("IC1001"),
        ),
        **of_claims(account("IC1001")),
        **of_uploads(record, by=account("IC1001")),
    }
    for one in every():
        if f"{one.name}_id" not in found:
            person = account("IC1001", derived.editor_of(one) if one.form else "staff")
            found[f"{one.name}_id"] = derived.make(
                one, 99_999, person
            ).pk  # tests add the first ones
            account("IC1001")
    return found


@pytest.fixture
def small(city: Any) -> dict[str, Any]:
    """The first agency with three people who owe 3 hours of 522 a year, and nobody else."""
    from ismp.accounts.models import Posting

    own = Posting.objects.filter(agency__code="382990001Z")
    own.exclude(account__username__in=["IC1001", "IC1002", "IC1003"]).update(status="left")
    own.update(identities="general")
    return {person.username: person for person in city}


@pytest.fixture
def learned(import_bytes: Any) -> Callable[..., None]:
    """Import one record of so many hours of a person of the city, of today if nothing is said."""
    from tests.support.portal_files import data, row_of_today

    def take(person: Any, hours: int, **more: str) -> None:
        own = {"national_id": person.national_id, "name": person.name}
        sums = {"total": str(hours), "digital_hours": str(hours), "classroom_hours": "0"}
        file = data(row_of_today(**own, **sums, **more), encoding="utf-8")
        import_bytes(file, agency=person.agency_code)

    return take


@pytest.fixture
def mailbox(settings: Any, time_machine: Any) -> Any:
    """Mails that a real SMTP server receives, at noon."""
    from tests.support import smtp

    with smtp.server(settings) as box:
        time_machine.move_to(smtp.NOON)
        yield box


@pytest.fixture
def clerk_of(account: Any) -> dict[str, Any]:
    """The administrators of the first and the second agency, and of the platform."""
    return {
        "here": account("IC1001", "agency_admin"),
        "there": account("EP1001", "agency_admin"),
        "platform": account("CU1001", "platform_admin"),
    }


_WORLDS = {
    "things": World("things", _things),  # the city, and one thing of each kind in it
    "city": World("city", _city),
    "cities": World("cities", _cities),
}


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """The empty database, also where only installations of processes ask for it, and beside it one
    for each world that takes long to make."""
    from django.test.utils import teardown_databases

    with django_db_blocker.unblock():
        made = set_up_database()
        for one in _WORLDS.values():
            one.copy_empty()
    yield
    with django_db_blocker.unblock():
        for one in _WORLDS.values():
            one.remove()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def town(django_db_setup: None, django_db_blocker: Any) -> World:
    """The world of the invented city, for installations of processes to begin with (`Place`)."""
    with django_db_blocker.unblock():
        _WORLDS["city"].fill()
    return _WORLDS["city"]


@pytest.fixture(scope="session")
def full_town(django_db_setup: None, django_db_blocker: Any) -> World:
    """The world of the city with one thing of each kind, for installations to begin with."""
    with django_db_blocker.unblock():
        _WORLDS["things"].fill()
    return _WORLDS["things"]


@pytest.fixture
def there(request: Any, db: Any) -> Iterator[Any]:
    """Be in the largest world that the test asks for; what is known of it."""
    wanted = next(name for name in _WORLDS if name in request.fixturenames)
    with _WORLDS[wanted].entered() as known:
        yield known
