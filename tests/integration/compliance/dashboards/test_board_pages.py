"""The pages of the boards: what they say, whom they show, how many queries they take."""

import html
import io
import re
from datetime import date, timedelta
from random import Random

import openpyxl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.accounts.actions import postings as accounts
from ismp.accounts.identities import sets
from ismp.accounts.models import Account, Agency, Posting
from ismp.audit.models import Event
from ismp.compliance.dashboards import views as dashboard_views
from ismp.compliance.models import PolicyVersion
from ismp.imports.models import ImportRun
from ismp.ui.text import roc_dates

pytestmark = pytest.mark.django_db
BOARD = "/manage/learning-map/board/"
PEOPLE = f"{BOARD}people/"
CITY = "/manage/learning-map/city/"
A, B = "382990001Z", "382990002Z"


def text(answer):
    """Return the text of a page without spaces and tags."""
    assert answer.status_code == 200
    return re.sub(r"<[^>]+>|\s+", "", answer.content.decode())


def test_the_figures_of_a_board_are_those_of_its_people(clerk, small, learned):
    learned(small["IC1001"], 3)
    learned(small["IC1002"], 1)
    page = text(clerk.get(BOARD))
    assert "列管人數3人" in page and "已達標1人（33%）" in page and "未達標2人" in page
    assert "合計還缺5小時" in page
    assert "522資通安全(通識)（每年）33%3102" in page.replace("5</td>", "")
    people = text(clerk.get(PEOPLE))
    assert "共2筆" in people and "IC1002" in people and "IC1003" in people
    assert "IC1001" not in people.replace("IC1001▾", "").split("達標名單")[1]
    assert "1／3" in people and "0／3" in people


def test_the_trend_follows_the_days_on_which_people_learned(clerk, small, learned):
    learned(small["IC1001"], 3, started_on="115-02-02", ended_on="115-02-03")
    page = text(clerk.get(f"{BOARD}?on=115-04-30"))
    assert "115-01-310%115-02-2833%115-03-3133%115-04-3033%" in page
    assert "不再學習" not in page


def test_who_has_learned_this_year_stands_well_at_its_end(clerk, small, learned):
    learned(small["IC1001"], 3)
    assert "從今天起不再學習，12-31時達標33%1／3人" in text(clerk.get(BOARD))


def test_a_large_agency_need_not_wait_for_its_trend(clerk, small, learned, monkeypatch):
    board = f"{BOARD}?on=115-04-30"
    learned(small["IC1001"], 3, started_on="115-02-02", ended_on="115-02-03")
    at_once = text(clerk.get(board))
    monkeypatch.setattr(dashboard_views, "_AT_ONCE", 2)
    assert text(clerk.get(board)) == at_once  # it is at hand
    learned(small["IC1002"], 3, started_on="115-02-02", ended_on="115-02-03")
    page = clerk.get(board)
    assert "已達標2人" in text(page) and "115-02-28" not in text(page)
    [address] = re.findall(r'hx-get="([^"]+)"', page.content.decode())
    part = clerk.get(html.unescape(address))
    assert "<html" not in part.content.decode() and "115-02-2866%" in text(part)
    assert text(part) in text(clerk.get(board))
    learned(small["IC1003"], 3, started_on="115-02-02", ended_on="115-02-03")
    assert "115-02-28100%" in text(clerk.get(f"{board}&trend=1"))


def test_the_pace_is_that_of_the_year_so_far(clerk, small, learned, time_machine):
    learned(small["IC1001"], 2, started_on="115-02-02", ended_on="115-02-03")
    noon = timezone.make_aware(timezone.datetime(2026, 7, 2, 12))
    time_machine.move_to(noon)
    clerk.force_login(Account.objects.get(username="IC1001"))
    page = text(clerk.get(BOARD))
    assert "照到目前的步調學習，12-31時達標33%1／3人" in page and "已達標0人" in page


def test_what_was_known_then(clerk, small, learned, monkeypatch):
    yesterday = timezone.localdate() - timedelta(days=1)
    Posting.objects.update(recorded_at=timezone.now() - timedelta(days=9))
    learned(small["IC1001"], 3)
    page = text(clerk.get(f"{BOARD}?known={roc_dates.roc_date(yesterday)}"))
    assert "已達標0人" in page and "當天結束時平台已知的紀錄" in page and "趨勢" not in page
    assert "已達標1人" in text(clerk.get(BOARD))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("on=99-99-99", "日期請寫成115-01-01的樣子"),
        ("on=300-01-01", "基準日請填"),
        ("known=199-12-31", "請填今天以前的日期"),
    ],
)
@pytest.mark.parametrize("address", [BOARD, PEOPLE, CITY])
def test_a_wrong_day_is_reported_in_one_sentence(client, account, query, words, address):
    client.force_login(account("IC1001", "platform_admin"))
    assert words in text(client.get(f"{address}?{query}"))


def test_an_agency_sees_its_own_board_only(client, account):
    client.force_login(account("IC1001", "agency_admin"))
    for address in (BOARD, PEOPLE, f"{PEOPLE}download/"):
        assert client.get(f"{address}?agency={B}").status_code == 404
    assert client.post(f"{BOARD}remind/", {"agency": B}).status_code == 404
    client.force_login(account("IC1001", "auditor"))
    for address in (BOARD, PEOPLE, f"{PEOPLE}download/"):
        assert client.get(f"{address}?agency={B}").status_code == 200
    assert client.post(f"{BOARD}remind/", {"agency": B}).status_code == 403


def rows(answer):
    """The accounts of a list, from top to bottom."""
    return re.findall(r'people/\d+/\?[^"]*">(\w+)<', answer.content.decode())


def test_people_are_searched_filtered_and_sorted(clerk, small, learned):
    learned(small["IC1002"], 1)
    learned(small["IC1003"], 3)
    everybody = ["IC1001", "IC1002", "IC1003"]
    assert rows(clerk.get(PEOPLE)) == ["IC1001", "IC1002"]
    assert rows(clerk.get(f"{PEOPLE}?sort=missing")) == ["IC1002", "IC1001"]
    assert rows(clerk.get(f"{PEOPLE}?light=")) == everybody
    assert rows(clerk.get(f"{PEOPLE}?light=&sort=-username")) == everybody[::-1]
    assert rows(clerk.get(f"{PEOPLE}?light=green")) == ["IC1003"]
    assert rows(clerk.get(f"{PEOPLE}?q=ic1002")) == ["IC1002"]
    assert rows(clerk.get(f"{PEOPLE}?light=&q={small['IC1003'].name[1:]}")) == ["IC1003"]
    assert rows(clerk.get(f"{PEOPLE}?duty=523/2")) == []
    department = Account.objects.get(username="IC1002").department
    found = rows(clerk.get(f"{PEOPLE}?light=&department={department.pk}"))
    here = Account.objects.filter(department=department, username__in=everybody)
    assert found and set(found) == set(here.values_list("username", flat=True))
    assert rows(clerk.get(f"{PEOPLE}?department=x&identities=y&sort=z&duty=q")) == [
        "IC1001",
        "IC1002",
    ]


def test_nobody_looks_for_a_national_id(clerk, small):
    number = small["IC1002"].national_id
    answer = clerk.get(f"{PEOPLE}?q={number}&light=green", follow=True)
    assert answer.redirect_chain == [(f"{PEOPLE}?light=green", 302)]
    assert number not in answer.content.decode()
    assert "不要輸入身分證字號" in answer.content.decode()


def test_the_download_is_the_list(clerk, small, learned):
    learned(small["IC1002"], 1)
    answer = clerk.get(f"{PEOPLE}download/?sort=missing")
    book = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    lines = list(book.active.iter_rows(values_only=True))
    assert [(line[0], line[7], line[8], line[9], line[10]) for line in lines[1:]] == [
        ("IC1002", 3, 1, 2, "未達標"),
        ("IC1001", 3, 0, 3, "未達標"),
        ("IC1003", 3, 0, 3, "未達標"),
    ]
    event = Event.objects.get(verb="export_standing")
    assert (event.agency, event.detail["people"]) == (A, 3)


def test_the_city_shows_each_agency_and_sorts(client, account, small, learned):
    learned(small["IC1001"], 3)
    client.force_login(account("IC1001", "platform_admin"))

    def agencies(query=""):
        return re.findall(r"\?agency=(\w+)", client.get(CITY + query).content.decode())

    assert set(agencies()) == set(Agency.objects.values_list("code", flat=True))
    assert agencies("?sort=-code") == agencies("?sort=code")[::-1]
    assert agencies("?sort=-all")[0] == A == agencies("?sort=all")[-1]
    assert agencies("?sort=people")[0] == A
    assert agencies("?sort=-behind")[-1] == A
    assert set(agencies("?sort=nonsense")) == set(agencies())
    page = text(client.get(CITY))
    assert "示範市政府資訊中心33%1／333%1／3－－32" in page and "全市" in page


def test_queries_do_not_grow_with_people_nor_with_agencies(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    newcomer = account("IC1002")  # whose 到職日 is asked for
    accounts.assign(newcomer, status="left", since=timezone.localdate() - timedelta(9), by="x")
    accounts.assign(newcomer, status="active", since=timezone.localdate(), by="x")

    def queries(address):
        client.get(address)
        with CaptureQueriesContext(connection) as taken:
            assert client.get(address).status_code == 200
        return len(taken)

    addresses = (BOARD, f"{PEOPLE}?light=", CITY)
    before = [queries(address) for address in addresses]
    many = demo_data.people(200, 10, seed=9)
    accounts.import_roster(demo_data.roster_csv(many).encode(), by="x")
    own = Account.objects.get(username="IC1001")
    for person in Account.objects.filter(username__startswith="P", status="active")[:60]:
        accounts.assign(person, agency=own.agency, since=timezone.localdate(), by="x")
    assert [queries(address) for address in addresses] == before


def test_a_person_is_followed_back_to_the_line_of_the_file(clerk, small, learned):
    learned(small["IC1002"], 1, title="社交工程演練")
    learned(small["IC1002"], 2, category="523", title="滲透測試入門")
    number = Account.objects.get(username="IC1002").pk
    page = clerk.get(f"{PEOPLE}{number}/")
    page_text = text(page)
    assert "522資通安全(通識)（每年）未達標" in page_text and "還差2小時" in page_text
    assert "社交工程演練資通安全(通識)1採計" in page_text
    assert "滲透測試入門資通安全(專業、職能)2不採計" in page_text
    run = ImportRun.objects.earliest("pk")
    assert f"匯入編號{run.pk}・檔案第2列" in page_text
    assert f'href="{run.get_absolute_url()}"' in page.content.decode()
    assert clerk.get(f"{PEOPLE}{Account.objects.get(username='EP1001').pk}/").status_code == 404


def test_a_persons_hours_follow_her_but_not_the_way_into_anothers_runs(clerk, city, learned):
    """One who left A serves in B under a new account: B's records count in A's eyes too."""
    moved = next(person for person in city if person.username == "EP2001")
    learned(moved, 2)
    clerk.force_login(Account.objects.get(username="IC1001"))
    former = Account.objects.get(username="IC1009")
    accounts.assign(former, status="active", since=timezone.localdate(), by="x")
    page = clerk.get(f"{PEOPLE}{former.pk}/").content.decode()
    run = ImportRun.objects.get()
    assert f"匯入編號 {run.pk}" in page and run.get_absolute_url() not in page


def test_a_transfer_in_mid_year_is_right_on_both_boards(client, account, small, learned):
    """Hours of March follow the person; both sides of the day know the posting."""
    learned(small["IC1002"], 3, started_on="115-03-02", ended_on="115-03-03")
    client.force_login(account("IC1001", "platform_admin"))

    def board(code, day):
        total = client.get(f"{BOARD}?agency={code}&on={day}").context["total"]
        return total.obliged, total.green

    theirs = board(B, "115-06-30")
    there, day = Agency.objects.get(code=B), date(2026, 7, 1)
    accounts.assign(Account.objects.get(username="IC1002"), agency=there, since=day, by="x")
    assert (board(A, "115-06-30"), board(B, "115-06-30")) == ((3, 1), theirs)
    assert (board(A, "115-07-01"), board(B, "115-07-01")) == (
        (2, 0),
        (theirs[0] + 1, theirs[1] + 1),
    )
    assert (board(A, roc_dates.roc_date(timezone.localdate())))[0] == 2
    shown = text(client.get(f"{PEOPLE}?agency={B}&light=green&on=115-07-01"))
    assert "IC1002" in shown and "3／3" in shown


def test_the_page_says_that_a_person_owes_nothing(clerk, small):
    left = Account.objects.get(username="IC1004")
    assert "這一天沒有列管時數" in text(clerk.get(f"{PEOPLE}{left.pk}/"))


# A past day, and figures that lead to what they count


def test_a_person_on_a_past_day_is_shown_as_she_served_then(client, account, small, learned):
    """F10: with department and identities of that day; the former agency may still look at it."""
    learned(small["IC1002"], 2, started_on="115-03-02", ended_on="115-03-03")
    learned(small["IC1002"], 3, started_on="115-09-02", ended_on="115-09-03", title="調任以後的課")
    person = Account.objects.get(username="IC1002")
    here, department = person.agency, person.department.name
    there = Agency.objects.get(code=B)
    accounts.assign(person, agency=there, identities="security", since=date(2026, 7, 1), by="x")
    page = f"{PEOPLE}{person.pk}/?on=115-06-30"
    client.force_login(account("IC1001", "agency_admin"))
    page_text = text(client.get(page))
    assert (
        f"{here.name}・{department}・一般使用者及主管" in page_text and there.name not in page_text
    )
    assert "已採計2小時" in page_text and "調任以後的課" not in page_text
    listed = client.get(f"{PEOPLE}?agency={A}&light=&on=115-06-30").content.decode()
    [address] = re.findall(rf'href="({PEOPLE}{person.pk}/[^"]*)"', listed)
    assert client.get(html.unescape(address)).status_code == 200
    assert client.get(f"{PEOPLE}{person.pk}/").status_code == 404
    assert client.get(f"{PEOPLE}{person.pk}/?on=115-07-01").status_code == 404
    client.force_login(account("EP1001", "agency_admin"))
    page_text = text(client.get(page))
    assert f"{here.name}・{department}・一般使用者及主管" in page_text
    assert there.name in text(client.get(f"{PEOPLE}{person.pk}/?on=115-07-01"))


def assert_each_figure_is_the_length_of_its_list(client, page):
    """Follow every link to a list of people; the number in it is how many the list has."""
    found = re.findall(rf'<a href="({PEOPLE}\?[^"]*)">([\d,]+)</a>', page)
    assert found
    for address, figure in found:
        answer = client.get(html.unescape(address))
        assert answer.context["page"].paginator.count == int(figure.replace(",", "")), address
    return len(found)


@pytest.mark.parametrize("seed", range(2))
def test_each_figure_of_a_board_is_the_length_of_the_list_behind_it(
    client, account, learned, city, seed
):
    """F16: with people on leave, gone, moved, of several identities, with grace and without."""
    chance, today = Random(seed), timezone.localdate()
    client.force_login(account("IC1001", "platform_admin"))
    agencies = list(Agency.objects.all())
    for person in chance.sample(city, 30):
        learned(person, chance.choice([1, 3, 12]), category=chance.choice(["522", "523"]))
    for person in chance.sample(list(Account.objects.filter(status="active")), 24):
        day = today - timedelta(days=chance.choice([1, 40, 90]))
        kind = chance.choice(["leave", "leave", "left", "move", "other"])
        if kind == "leave":
            accounts.grant_leave(person, since=day, until=None, reason="育嬰", by="x")
        elif kind == "left":
            accounts.assign(person, status="left", since=day, by="x")
        elif kind == "move":
            accounts.assign(person, agency=chance.choice(agencies), since=day, by="x")
        else:
            accounts.assign(person, identities=chance.choice(sets()), since=day, by="x")
    if chance.random() < 0.5:
        PolicyVersion.objects.create(grace_days=60, since=date(2020, 1, 1))
    for on in ("", f"&on={roc_dates.roc_date(today - timedelta(days=50))}"):
        for agency in agencies:
            page = client.get(f"{BOARD}?agency={agency.code}{on}").content.decode()
            assert_each_figure_is_the_length_of_its_list(client, page)
        assert assert_each_figure_is_the_length_of_its_list(
            client, client.get(f"{CITY}?{on.lstrip('&')}").content.decode()
        ) >= len(agencies)
