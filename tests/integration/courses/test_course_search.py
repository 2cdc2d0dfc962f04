"""課程搜尋 and its place in the head of each page."""

import pytest

from ismp.accounts.models import Agency
from ismp.courses.models import Course
from ismp.portal.models import Page, PageVersion

pytestmark = pytest.mark.django_db
COURSE = {"kind": "online", "category": "522", "hours": 3000, "state": "open"}


def offer(title, **changes):
    return Course.objects.create(**{**COURSE, "title": title, **changes})


@pytest.fixture
def staff(client, account):
    client.force_login(account("EP1002"))
    return client


def found(client, **query):
    page = client.get("/search/", query).content.decode()
    return page.partition('<ul class="cards">')[2].partition("</ul>")[0]


@pytest.mark.parametrize("typed", ["臺灣ＡＰＩ", "台灣api", "灣 Api", "  台灣  "])
def test_words_are_found_whatever_their_width_case_and_variant(staff, typed):
    offer("認識台灣 API 資安")
    offer("別的課")
    assert "認識台灣" in found(staff, q=typed) and "別的課" not in found(staff, q=typed)


def test_only_what_is_offered_to_the_person_is_found(staff):
    other = Agency.objects.get(code="382990001Z")
    own = Agency.objects.get(code="382990002Z")
    offer("甲課", agency=other)
    offer("乙課", agency=other, for_all=True)
    offer("丙課", agency=own)
    offer("丁課", state="draft")
    offer("戊課", category="system")
    listed = found(staff)
    assert [name for name in "甲乙丙丁戊" if f"{name}課" in listed] == ["乙", "丙", "戊"]
    assert "戊課" in found(staff, category="system")
    assert "乙課" not in found(staff, category="system")


def test_what_is_not_found_says_what_to_do(staff):
    page = staff.get("/search/", {"q": "<b>%_"}).content.decode()
    assert "沒有名稱內有「&lt;b&gt;%_」的課程" in page and "較短的關鍵字" in page
    assert "目前沒有開放的課程" in staff.get("/search/").content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"q": "a１23456789"}, "不要輸入身分證字號"),
        ({"category": "x"}, ""),
        ({"q": "長" * 101}, "100"),
    ],
)
def test_what_cannot_be_asked_leaves_the_address(staff, query, words):
    answer = staff.get("/search/", query, follow=True)
    assert answer.redirect_chain == [("/search/", 302)]
    page = answer.content.decode()
    assert page.count('role="alert"') == 1 and words in page


def test_the_head_offers_the_keywords_that_the_platform_administrator_wrote(staff, account, client):
    assert "?q=%E8%B3%87%E9%80%9A%E5%AE%89%E5%85%A8%E6%95%99" in staff.get("/").content.decode()
    PageVersion.objects.create(page=Page.KEYWORDS, number=1, body="勒索軟體\n釣魚")
    page = staff.get("/").content.decode()
    assert ">勒索軟體</a>、<a" in page and ">釣魚</a></nav>" in page
    client.logout()
    page = client.get("/faq/").content.decode()
    assert "head-search" not in page and "課程搜尋" not in page
