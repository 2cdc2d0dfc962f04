"""常見問題, 網站介紹, 網站導覽, and the writing of their texts."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.portal.models import Page, PageVersion
from tests.support.rights import MATRIX, OPEN, ROLES, addresses

pytestmark = pytest.mark.django_db
FAQ = "/manage/pages/faq/"


@pytest.fixture
def writer(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    return client


def save(client, body, based_on=0, mode="save", address=FAQ):
    return client.post(address, {"body": body, "based_on": based_on, "mode": mode})


def text_of(client, address):
    return client.get(address).content.decode()


def test_pages_are_open_to_those_who_cannot_sign_in(client):
    assert "我為什麼是紅燈？" in text_of(client, "/faq/")
    assert "個人資料怎麼保護" in text_of(client, "/about/")
    page = text_of(client, "/sitemap/")
    assert "常見問題" in page and "我的時數" not in page and "管理模組" not in page
    assert 'href="/accounts/login/"' in page


@pytest.mark.parametrize("page", [Page.FAQ, Page.ABOUT])
def test_the_links_of_the_shipped_texts_lead_somewhere(client, account, page):
    links = re.findall(r"\]\((/\S+)\)", PageVersion.shipped(page).body)
    assert links
    client.force_login(account("EP1002"))
    for link in links:
        assert client.get(link).status_code == 200, link


def test_a_new_text_is_previewed_then_shown_and_the_old_one_kept(writer):
    preview = save(writer, "## 新的問題\n\n<script>x</script>", mode="preview").content.decode()
    assert "<h2>新的問題</h2>" in preview and "<script>x" not in preview
    assert not PageVersion.objects.exists()
    assert save(writer, "## 新的問題").status_code == 302
    assert save(writer, "## 更新的問題 A123456789", based_on=1).status_code == 302
    page = text_of(writer, "/faq/")
    assert "更新的問題 A12345****" in page and "我為什麼是紅燈" not in page
    history = text_of(writer, f"{FAQ}?version=1")
    assert "## 新的問題</textarea>" in history and "第 2 版" in history
    assert "我為什麼是紅燈" in text_of(writer, f"{FAQ}?version=0")
    events = Event.objects.filter(verb="save_page").values_list("subject", flat=True)
    assert list(events) == ["faq:2", "faq:1"]
    assert "更新網站內容" in text_of(writer, "/manage/trail/")


def test_two_writers_do_not_overwrite_each_other(writer):
    save(writer, "第一位")
    late = save(writer, "第二位").content.decode()
    assert "別人已經儲存了新的版本" in late and "第二位</textarea>" in late
    assert PageVersion.current(Page.FAQ).body == "第一位"
    with pytest.raises(IntegrityError), transaction.atomic():
        PageVersion.objects.create(page=Page.FAQ, number=1, body="x", saved_by="x")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "內容是空的"),
        ("字" * 50_001, "超過 50,000 字"),
        ("\n".join("甲乙丙丁戊己庚辛壬"), "最多 8 個"),
        ("長" * 21, "每個最多 20 字"),
    ],
)
def test_what_cannot_be_saved_says_so_in_one_sentence(writer, body, words):
    page = save(writer, body, address="/manage/pages/keywords/").content.decode()
    assert page.count('role="alert"') == 1 and words in page
    assert not PageVersion.objects.exists()


def test_a_page_that_does_not_exist_is_not_written(writer):
    assert save(writer, "x", address="/manage/pages/home/").status_code == 404


@pytest.mark.parametrize("role", ["staff", "agency_admin", "platform_admin", "auditor"])
def test_the_map_of_the_site_has_every_page_one_may_open_and_no_other(client, account, role):
    client.force_login(account("IC1001", role))
    page = text_of(client, "/sitemap/").partition("<h1>")[2]
    links = set(re.findall(r'href="(/[^"#]*)"', page))
    for link in links:
        assert client.get(link).status_code in {200, 302}, link
    everybodys = {name for name, who in MATRIX.items() if who == set(ROLES)}
    reached = {
        "support:new",
        "security:report",
        "external_hours:apply",
    }  # by a button of a page that is on the map
    pages = everybodys | {name for name in OPEN if name.startswith("portal:")}
    wanted = {a for name, a in addresses() if name in pages - reached and "{" not in a}
    assert wanted <= links
    assert ("/manage/pages/" in links) == (role == "platform_admin")


def test_the_head_of_manage_tells_who_was_active_in_the_last_minutes(client, account):
    client.force_login(account("EP1001", "agency_admin"))
    now = timezone.now()
    for username, minutes in (("EP1002", 4), ("EP1003", 6), ("IC1001", 1), ("CU1001", 60)):
        seen = now - timedelta(minutes=minutes)
        Account.objects.filter(username=username).update(last_seen_at=seen)
    assert "平台 3 人｜本機關 2 人" in text_of(client, "/manage/")
    client.post("/accounts/logout/")
    client.force_login(account("IC1002", "agency_admin"))
    Account.objects.filter(username="EP1001").update(last_seen_at=now - timedelta(minutes=6))
    assert "平台 3 人｜本機關 2 人" in text_of(client, "/manage/")
