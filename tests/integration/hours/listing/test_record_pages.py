"""The pages found by sums are those of the plain question, wherever they lie."""

import itertools
import random
from datetime import date, timedelta

import pytest

from ismp.accounts.models import Agency
from ismp.hours.listing.record_pages import Keyword, RecordPages
from ismp.hours.models import Record
from ismp.ui.text import roc_dates
from tests.support.laws import totals_are_true
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
FIRST = date(2024, 11, 20)
PERIODS = [
    (None, None),
    (date(2025, 1, 1), date(2025, 12, 31)),
    (date(2024, 12, 31), date(2025, 1, 1)),
    (date(2025, 2, 11), None),
    (None, date(2025, 2, 11)),
    (date(2025, 1, 7), date(2025, 3, 9)),
    (date(2025, 3, 1), date(2025, 3, 31)),
    (date(2030, 1, 1), date(2030, 12, 31)),
]
KEYWORDS = [
    ("username", ""),
    ("username", "ic100"),
    ("username", "1"),
    ("name", "%"),
    ("name", ""),
    ("department", "科"),
    ("department", "秘書"),
    ("title", "資通"),
    ("title", "演練_"),
    ("title", "沒有這個"),
]


@pytest.fixture
def filled(city, import_bytes, account):
    """Three agencies with uneven days over half a year, some of the records deleted."""
    from ismp.hours.records.actions import records

    chance = random.Random(5)
    for agency in Agency.objects.all():
        people = [p for p in city if p.agency_code == agency.code and p.active]
        rows = [some_row(chance, chance.choice(people), str(n)) for n in range(150)]
        assert import_bytes(data(*rows, encoding="utf-8"), agency=agency.code)["created"] == 150
    gone = Record.objects.filter(
        pk__in=chance.sample(list(Record.objects.values_list("pk", flat=True)), 60)
    )
    records.delete(gone, reason="試", by=account("IC1001", "platform_admin"))
    totals_are_true()


def some_row(chance, person, term):
    day = roc_dates.roc_date(FIRST + timedelta(days=int(chance.random() ** 2 * 180)))
    return row(
        national_id=person.national_id,
        name=person.name,
        term=term,
        title=chance.choice(["資通安全概論", "社交工程演練", "演練_A", "%"]),
        department=chance.choice(["資訊科", "秘書室", ""]),
        started_on=day,
        ended_on=day,
    )


@pytest.mark.parametrize("role", ["platform_admin", "agency_admin", "staff"])
def test_the_same_records_as_the_plain_question(filled, account, role):
    person = account("IC1001", role)
    for period, keyword in itertools.product(PERIODS, KEYWORDS):
        for agency in [None, person.agency, Agency.objects.get(code="382990002Z")]:
            same_records(period, Keyword(*keyword), agency, person)


def same_records(period, keyword, agency, person):
    newest = RecordPages(period, keyword, agency=agency, user=person, using="default")
    own = Record.objects.visible_to(person).of_agency(agency).live().ended_in(*period)
    plain = list(own.of_people(*keyword).newest_first())
    assert newest.count() == len(plain)
    for size in (7, 50):
        for begin in {0, len(plain) // 2, max(0, len(plain) - 3), len(plain)}:
            assert newest[begin : begin + size] == plain[begin : begin + size]
        assert [one for batch in newest.batches(size) for one in batch] == plain


def test_the_way_of_the_search_is_asked_for_by_sums(filled, account, client):
    client.force_login(account("IC1001", "platform_admin"))
    for query, words in (
        ("q=沒有&field=title&start=113-01-01&end=114-12-31", "沒有名稱內有「沒有」的時數"),
        ("q=資通&field=title&start=100-01-01&end=100-12-31", "沒有時數；請放寬期間"),
        ("q=秘書&field=department&start=113-11-20&end=113-11-20", "資"),
    ):
        page = client.get(f"/manage/learning-map/hours/?{query}").content.decode()
        assert words in page
