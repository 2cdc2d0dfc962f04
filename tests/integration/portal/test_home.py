"""首頁: what one owes and why, the courses that close the gap, the newest hours."""

import re
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Posting
from ismp.courses.models import Course
from ismp.security.incidents import actions as incident_actions
from ismp.security.models import Address, Device, Incident, RestrictedProduct
from tests.support.portal_files import PERSON, data, row
from tests.support.things import of_security

pytestmark = pytest.mark.django_db
YEAR = timezone.localdate().year - 1911


@pytest.fixture
def person(client, city):
    account = Account.objects.get(username=PERSON.username)
    client.force_login(account)
    return account


def serves_as(account, identities):
    accounts.assign(account, identities=identities, since=Posting.UNKNOWN, by="test")


def learn(import_bytes, hours, category="522", term="1", year=YEAR):
    day = f"{year}-01-05"
    total = {"digital_hours": hours, "classroom_hours": "", "total": hours}
    import_bytes(data(row(**total, category=category, term=term, started_on=day, ended_on=day)))


def home(client, **query):
    page = client.get("/", query).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<h1>")[2]))


def test_each_gauge_tells_how_much_of_how_much_and_why(client, person, import_bytes):
    serves_as(person, "it")
    page = home(client)
    assert "資安列管身分： 資訊人員" in page
    assert "年度列管總時數 3 小時・已完成 0 小時" in page
    assert "兩年內列管總時數 3 小時・已完成 0 小時" in page
    assert page.count("未達標") == 2
    learn(import_bytes, "2")
    learn(import_bytes, "3", category="523", year=YEAR - 1)
    page = home(client)
    assert "年度列管總時數 3 小時・已完成 2 小時" in page
    assert "兩年內列管總時數 3 小時・已完成 3 小時" in page
    assert "還差 1 小時" in page and "請在" in page
    assert page.count("✕ 未達標") == 1 and page.count("✓ 已達標") == 1


def test_hours_beyond_one_duty_do_not_fill_another(client, person, import_bytes):
    serves_as(person, "security+general")
    learn(import_bytes, "9")
    page = home(client)
    assert "年度列管總時數 15 小時・已完成 3 小時" in page
    assert "您的列管身分沒有這一項" in page
    ring = client.get("/").content.decode().partition('class="ring ring-red"')[2]
    assert 'stroke-dasharray="20 100"' in ring


def test_the_ring_is_full_only_when_nothing_is_missing(client, person, import_bytes):
    serves_as(person, "general")
    learn(import_bytes, "2.999")
    assert 'stroke-dasharray="99 100"' in client.get("/").content.decode()
    learn(import_bytes, "0.001", term="2")
    page = client.get("/").content.decode()
    assert 'class="ring ring-green"' in page and 'stroke-dasharray="100 100"' in page


def test_courses_of_a_duty_stand_there_while_it_is_open(client, person, import_bytes):
    serves_as(person, "general")
    for title, category in (("通識課", "522"), ("專業課", "523"), ("開發課", "system")):
        Course.objects.create(
            kind="online", title=title, category=category, hours=3000, state="open", for_all=True
        )
    Course.objects.create(kind="online", title="草稿", category="522", hours=1, state="draft")
    page = home(client)
    assert "通識課" in page and "開發課" in page
    assert "專業課" not in page and "草稿" not in page
    assert "通識課" not in home(client, category="system")
    learn(import_bytes, "3")
    assert "通識課" not in home(client)
    assert "這裡沒有未完成的課程" in home(client, category="522")
    assert "通識課" not in home(client, category="<script>")


def test_the_newest_hours_tell_where_they_came_from(client, person, import_bytes):
    learn(import_bytes, "1", year=YEAR - 1, term="old")
    for number in range(6):
        learn(import_bytes, "1", term=str(number))
    page = home(client).partition("最近的時數")[2]
    assert page.count("示範市政府資訊中心於") == 6
    assert f"{YEAR - 1}-01-05" not in page and "檔案第 2 列" in page


def test_reports_are_counted_done_of_all(client, person, account):
    assert "資通安全通報 0／0 件" in home(client)
    assert "管制設備通報 0／0 件" in home(client)
    known = timezone.now()
    for state in ("draft", "handling", "closed", "closed"):
        incident_actions.open_incident(
            agency=person.agency, title="x", description="x", answers={}, known_at=known, by=person
        )
        newest = Incident.objects.filter(pk=Incident.objects.latest("pk").pk)
        newest.update(state=state, level=1)
    assert "資通安全通報 2／3 件" in home(client)
    client.force_login(account("EP1001", "agency_admin"))
    assert "資通安全通報 0／0 件" in home(client)
    agency = account("EP1001").agency
    product = RestrictedProduct.objects.create(brand="x", letter="y", issued_on=known.date())
    for number in range(2):
        held = {"kind": "hardware", "network": "official", "restriction": product}
        Device.objects.create(agency=agency, asset_no=f"{number}", **held)
    client.force_login(account("EP1001", "agency_admin"))
    assert "管制設備通報 0／2 件" in home(client)


def test_the_entrance_of_the_administration_tells_what_is_late_first(client, account):
    clerk = account("IC1001", "agency_admin")
    of_security(clerk)
    Incident.objects.update(state="handling", level=1, known_at=timezone.now() - timedelta(9))
    Address.objects.update(due_on=timezone.localdate() - timedelta(days=1))

    def rows(who):
        client.force_login(who)
        table = client.get("/manage/").content.decode().partition("<tbody>")[2]
        cells = [re.sub("<[^>]+>", " ", row).split() for row in table.split("</tr>")[:-1]]
        return ["".join(words) for words in cells if "件" in words]

    own = rows(clerk)
    assert own[:2] == ["本機關資通安全通報0／1件逾期1件", "本機關資安情資回覆0／1件逾期1件"]
    assert own[2].startswith("本機關管制設備通報") and own[2].endswith("0")
    theirs = rows(account("EP1001", "agency_admin"))
    assert all("0／0件" in row for row in theirs) and len(theirs) == 3
    city = rows(account("EP1001", "platform_admin"))[3:]
    assert city[0] == "全市資通安全通報0／1件逾期1件" and len(city) == 3


def test_a_custodian_sees_her_own_devices_only(client, person, account):
    known = timezone.now()
    product = RestrictedProduct.objects.create(brand="x", letter="y", issued_on=known.date())
    held = {"kind": "hardware", "network": "official"}
    other = account("EP1001").agency
    for agency, number, custodian, restriction in (
        (person.agency, "A-1", person.username, product),
        (person.agency, "A-2", person.name, None),
        (person.agency, "A-3", "別人", product),
        (other, "A-4", person.username, product),
    ):
        facts = {"asset_no": number, "custodian": custodian, "restriction": restriction}
        Device.objects.create(agency=agency, **facts, **held)
    assert "管制設備通報 0／1 件" in home(client)
    page = client.get("/devices/").content.decode()
    assert [number for number in ("A-1", "A-2", "A-3", "A-4") if number in page] == ["A-1", "A-2"]
    assert page.index("A-1") < page.index("A-2") and "待處置" in page


def test_a_person_who_owes_nothing_reads_whom_to_ask(client, person):
    Posting.objects.filter(account=person).update(since=date(2999, 1, 1))
    assert "您目前沒有列管的訓練時數" in home(client)


def test_home_takes_the_same_queries_for_one_record_and_for_many(client, person, import_bytes):
    counts = []
    for number in (1, 40):
        import_bytes(data(*(row(term=f"{n}") for n in range(number))))
        Course.objects.create(
            kind="online", title=f"課{number}", category="522", hours=3, state="open", for_all=True
        )
        client.get("/")
        with CaptureQueriesContext(connection) as queries:
            client.get("/")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 30
