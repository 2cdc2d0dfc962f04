"""我的時數 and 時數證明: whose, from where, once; on paper, and verified."""

import io
import re
from datetime import date

import pypdfium2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from reportlab.pdfgen.canvas import Canvas

from ismp.accounts import demo_data
from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.hours.models import Record
from ismp.hours.records.actions import records as hours
from ismp.portal import actions
from ismp.portal.models import Certificate
from ismp.portal.my_hours import certificate
from ismp.ui.exports.pdf import can_be_set
from ismp.ui.text.roc_dates import roc_year
from tests.support.portal_files import PERSON, data, row

pytestmark = pytest.mark.django_db
OWN = "/my/hours/"
YEAR = {"start": "115-01-01", "end": "115-12-31"}


@pytest.fixture
def person(client, import_bytes):
    """Somebody who has hours of two years and both categories, signed in."""
    import_bytes(
        data(
            row(),
            row(term="2", category="523", digital_hours="2", classroom_hours="", total="2"),
            row(started_on="114-03-01", ended_on="114-03-02", title="去年的課"),
        )
    )
    account = Account.objects.get(username=PERSON.username)
    client.force_login(account)
    return account


def text_of(client, address):
    return client.get(address).content.decode()


def cells(page, caption):
    table = page.partition(f'aria-label="{caption}"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
    return [
        [re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<t[dh].*?</t[dh]>", line)]
        for line in rows
    ]


def paper_of(client, **period):
    answer = client.post(f"{OWN}certificate/", {**YEAR, **period})
    assert answer["Content-Type"] == "application/pdf"
    pages = pypdfium2.PdfDocument(answer.content)
    return "\n".join(page.get_textpage().get_text_range() for page in pages)


def test_sums_by_year_and_category_and_where_each_came_from(client, person):
    page = text_of(client, OWN)
    assert cells(page, "各年度時數") == [
        [["115", "年"], ["3"], ["2"], ["5"]],
        [["114", "年"], ["3"], ["0"], ["3"]],
    ]
    run = Record.objects.first().run
    assert page.count(f"匯入編號 {run.pk}・檔案第") == 3
    assert (
        "檔案第 4 列" in page and f"示範市政府資訊中心於 {roc_year(timezone.localdate())}-" in page
    )
    assert len(cells(text_of(client, f"{OWN}?year=114"), "我的學習紀錄")) == 1
    assert len(cells(text_of(client, f"{OWN}?year=115&category=523"), "我的學習紀錄")) == 1
    assert "沒有這樣的紀錄" in text_of(client, f"{OWN}?year=99")
    assert client.get(f"{OWN}?year=１&category=-5&page=x").status_code == 200


def test_nobody_sees_anybody_elses(client, account, person):
    client.force_login(account("IC1002", "platform_admin"))
    page = text_of(client, OWN).partition("<main")[2]  # the head names popular keywords
    assert "還沒有學習紀錄" in page and "資通安全通識" not in page


def test_deleted_hours_are_gone(client, account, person):
    hours.delete(Record.objects.all(), reason="誤植", by=account("IC1001"))
    assert "還沒有學習紀錄" in text_of(client, OWN)


@pytest.fixture
def moved(client, import_bytes):
    """Who served in one agency and serves in another: both imported the same course."""
    city = demo_data.city()
    new = city[-1]
    old = next(one for one in city if one.national_id == new.national_id)
    own = {"national_id": new.national_id, "name": new.name}
    Account.objects.filter(username=old.username).update(status="active")
    import_bytes(data(row(**own), row(**own, term="2")), agency=old.agency_code)
    Account.objects.filter(username=old.username).update(status="left")
    import_bytes(data(row(**own), row(**own, term="3")), agency=new.agency_code)
    client.force_login(Account.objects.get(username=new.username))


def test_hours_follow_the_person_and_the_same_event_counts_once(client, moved):
    page = text_of(client, OWN)
    assert cells(page, "各年度時數") == [[["115", "年"], ["9"], ["0"], ["9"]]]
    records = cells(page, "我的學習紀錄")
    assert len(records) == 4
    assert sorted(line[5][0] for line in records) == ["0", "3", "3", "3"]
    assert page.count(">重複<") == 1
    assert "資通安全(通識)：9 小時" in paper_of(client)


def test_the_page_takes_the_same_queries_for_three_records_and_for_three_hundred(
    client, person, import_bytes
):
    counts = []
    for rows in (0, 300):
        import_bytes(data(*(row(term=f"n{n}") for n in range(rows)))) if rows else None
        client.get("/")
        with CaptureQueriesContext(connection) as queries:
            client.get(OWN)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_paper_says_who_what_and_how_much_without_the_id(client, person):
    text = paper_of(client)
    for words in (
        "學習時數證明",
        f"姓名：{person.name}",
        "服務機關：示範市政府資訊中心",
        "中華民國 115 年 1 月 1 日至中華民國 115 年 12 月 31 日",
        "522 資通安全(通識)：3 小時",
        "523 資通安全(專業、職能)：2 小時",
        "115-01-06",
    ):
        assert words in text
    assert "去年的課" not in text
    today = timezone.localdate()
    assert f"核發日期：中華民國 {today.year - 1911} 年 {today.month} 月 {today.day} 日" in text
    for form in (PERSON.national_id, PERSON.national_id[:6], person.username):
        assert form not in text
    assert Event.objects.filter(verb="issue_certificate").count() == 1


RARE = "堃煊喆峯犇啓羣碁銹裏恒粧嫺許功蓋臺鄭"


@pytest.mark.parametrize(
    ("name", "shown", "missing"),
    [
        (RARE, RARE, ""),
        ("比令·伊斯坦大", "比令·伊斯坦大", ""),
        ("José Müller", "José Müller", ""),
        ("𠮷野家", "〓野家", "U+20BB7"),
        ("王\ue000明", "王〓明", "U+E000"),
        ("<b>&amp;", "<b>&amp;", ""),
        ("王\u3000明\x07", "王 明〓", "U+0007"),
    ],
)
def test_every_character_of_a_name_is_shown_or_visibly_replaced(
    client, person, name, shown, missing
):
    Account.objects.filter(pk=person.pk).update(name=name)
    text = paper_of(client)
    assert f"姓名：{shown}" in text
    assert (f"〓：{missing}" in text) is bool(missing)


def test_the_rare_characters_are_drawn_not_only_written(client, person):
    """Drawn by the engine of Edge and Chrome, each leaves its own ink on the paper."""
    drawn = set()
    for character in "堃煊喆峯犇啓羣":
        Account.objects.filter(pk=person.pk).update(name=character)
        answer = client.post(f"{OWN}certificate/", YEAR)
        page = pypdfium2.PdfDocument(answer.content)[0]
        text = page.get_textpage()
        at = text.get_text_range().index(character)
        left, bottom, right, top = text.get_charbox(at, loose=True)
        width, height = page.get_size()
        box = (left, bottom, width - right, height - top)
        picture = bytes(page.render(scale=4, crop=box, grayscale=True).buffer)
        assert min(picture) < 128, character
        drawn.add(picture)
    assert len(drawn) == 7


def test_every_character_that_is_set_is_drawn(db):
    """All 17,000 of them, in a grid, by the engine of Edge and Chrome."""
    every = [c for c in map(chr, range(0x21, 0x30000)) if can_be_set(c)]
    assert len(every) > 16_000
    blank = []
    for start in range(0, len(every), 4_000):
        blank += blanks(every[start : start + 4_000])
    assert not blank


def blanks(characters, cell=16, across=64):
    """The characters that leave no ink in their cell of a grid."""
    size, paper = cell * across, io.BytesIO()
    canvas = Canvas(paper, pagesize=(size, size))
    canvas.setFont("MSung-Light", 12)
    places = [divmod(number, across) for number in range(len(characters))]
    for character, (row_, column) in zip(characters, places, strict=True):
        canvas.drawString(column * cell + 2, size - row_ * cell - 13, character)
    canvas.save()
    page = pypdfium2.PdfDocument(paper.getvalue())[0].render(scale=1, grayscale=True)
    ink = bytes(page.buffer)
    lines = [ink[at * page.stride : at * page.stride + size] for at in range(size)]
    return [
        character
        for character, (row_, column) in zip(characters, places, strict=True)
        if all(
            min(line[column * cell : (column + 1) * cell]) > 250
            for line in lines[row_ * cell : (row_ + 1) * cell]
        )
    ]


def test_a_long_record_takes_several_pages_with_its_code_on_each(client, person, import_bytes):
    import_bytes(data(*(row(term=f"n{n}", title=f"課程{n}" + "長" * 90) for n in range(60))))
    answer = client.post(f"{OWN}certificate/", YEAR)
    pages = [p.get_textpage().get_text_range() for p in pypdfium2.PdfDocument(answer.content)]
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        assert Certificate.objects.get().code in page and f"第 {number} 頁" in page
    assert "課程59" in "".join(pages)


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ({"start": "115-13-01", "end": "115-12-31"}, "115-01-01 的樣子"),
        ({"start": "", "end": "115-12-31"}, "請填寫證明的起日與迄日"),
        ({"start": "115-12-31", "end": "115-01-01"}, "迄日早於起日"),
    ],
)
def test_a_period_that_cannot_be_is_said_in_one_sentence(client, person, period, words):
    page = client.post(f"{OWN}certificate/", period, follow=True).content.decode()
    assert words in page and page.count('role="alert"') == 1
    assert not Certificate.objects.exists()


def test_the_code_confirms_the_paper_to_anybody_signed_in(client, account, person):
    paper_of(client)
    paper = Certificate.objects.get()
    assert re.fullmatch(r"([A-Z2-7]{4}-){4}[A-Z2-7]{4}", paper.code)
    client.force_login(account("EP1003"))
    for typed in (paper.code, paper.code.lower().replace("-", " ")):
        page = client.get("/verify/", {"code": typed}).content.decode()
        assert "是本平台核發的" in page and person.name in page and "紀錄與證明相同" in page
    assert "3 小時" in text_of(client, f"/verify/{paper.code}/")
    for wrong in ("ABCD-EFGH-ABCD-EFGH-ABCD", paper.code[:-1], "'; --", "金絲雀"):
        page = client.get("/verify/", {"code": wrong}).content.decode()
        assert "本平台核發的。</strong>" not in page and person.name not in page


def test_the_same_paper_of_the_same_day_has_one_code_and_a_change_is_reported(
    client, person, import_bytes
):
    paper_of(client)
    paper_of(client)
    paper = Certificate.objects.get()
    import_bytes(data(row(score="99"), row(digital_hours="2", classroom_hours="2", total="4")))
    import_bytes(data(row(digital_hours="2", classroom_hours="2", total="4")))
    assert "有增減或更正" in text_of(client, f"/verify/{paper.code}/")
    paper_of(client)
    assert Certificate.objects.count() == 2


@pytest.mark.parametrize(
    "forged",
    [{"name": "別人"}, {"sums": {"522": 99000, "523": 0}}, {"end": date(2027, 1, 1)}, {"count": 9}],
)
def test_an_altered_row_is_no_certificate(client, person, forged):
    paper = actions.issue_certificate(start=date(2026, 1, 1), end=date(2026, 12, 31), by=person)
    assert "是本平台核發的" in text_of(client, f"/verify/{paper.code}/")
    Certificate.objects.filter(pk=paper.pk).update(**forged)
    assert "查不到這個驗證碼" in text_of(client, f"/verify/{paper.code}/")


def test_only_the_key_makes_a_code(person):
    paper = actions.issue_certificate(start=date(2026, 1, 1), end=date(2026, 12, 31), by=person)
    from django.conf import settings

    from ismp.storage.keyring import KeyRing

    other = KeyRing.open(settings.ISMP_HOME / "tmp" / "other-keys")
    kept, settings.KEYS = settings.KEYS, other
    try:
        assert certificate.code_of(paper) != paper.code
    finally:
        settings.KEYS = kept
