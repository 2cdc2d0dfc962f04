"""The clerk's monthly job in headless Chromium: by mouse, by keyboard, without JavaScript."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
import pyzipper
from playwright.sync_api import expect

from ismp.accounts import demo_data
from ismp.hours.portal_export import ExportChoices, export
from ismp.ui.text import roc_dates
from tests.support.browser import (
    add_account,
    assert_accessible,
    code_by_second,
    signed_in,
    signed_in_by_code,
    visit,
    walk,
)

LIST = "/manage/learning-map/agency-hours/"
RUNS = "/manage/learning-map/runs/"
BOARD = "/manage/learning-map/board/"
RULES = "/manage/learning-map/rules/"
pytestmark = pytest.mark.browser


def open_the_list(page):
    """Steps 1 and 2 of the manual, from the open drop-down of the name."""
    page.get_by_role("link", name="管理環境").click()
    modules = page.get_by_role("navigation", name="管理模組")
    modules.get_by_role("link", name="學習地圖管理").click()
    tabs = page.get_by_role("navigation", name="學習地圖管理")
    tabs.get_by_role("link", name="單一機關終身學習時數管理").click()


def sample(tmp_path, seed, rows=60):
    own = [p for p in demo_data.city() if p.agency_code == "382990002Z"]
    choices = ExportChoices(roc_dates.parse("115-01-01"), roc_dates.parse("115-06-30"), seed=seed)
    file = tmp_path / "成績.csv"
    file.write_bytes(export(own, rows, choices))
    return file


def test_the_manuals_steps_by_mouse(site, chromium, tmp_path, pictures):
    """Steps 1–8 of the manual; their pictures are those of docs/manual.md."""
    page = signed_in(chromium, site, viewport={"width": 1280, "height": 800})
    page.locator("summary", has_text="▾").or_(page.locator(".top summary")).click()
    pictures(page, "step-1")
    open_the_list(page)
    expect(page.get_by_role("heading", name="同仁學習狀況明細")).to_be_visible()
    pictures(page, "step-2")
    page.get_by_role("link", name="CSV說明").click()
    expect(page.get_by_role("img", name="成績下載")).to_be_visible()
    pictures(page, "step-3")
    page.go_back()
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=21))
    pictures(page, "step-4")
    page.get_by_role("button", name="上傳CSV檔").click()
    window = page.get_by_role("dialog")
    expect(window.locator("[data-announcer]")).not_to_be_empty()
    pictures(page, "step-6")
    expect(window.get_by_role("heading", name="匯入完成")).to_be_visible()
    expect(window.locator("[data-announcer]")).to_contain_text("匯入完成，總筆數 60")
    pictures(page, "step-7")
    with page.expect_download() as download:
        window.get_by_role("link", name="下載無法匯入資料").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    window.get_by_role("button", name="關閉視窗").click()
    expect(page.get_by_text("匯入資料總筆數為 60 筆")).to_be_visible()
    expect(page.get_by_role("row", name="EP1").first).to_be_visible()
    pictures(page, "step-8")
    page.get_by_role("link", name="匯入紀錄").click()
    pictures(page, "runs")
    page.get_by_role("link", name="復原").first.click()
    pictures(page, "undo")
    page.get_by_role("button", name="確定復原").click()
    expect(page.get_by_text("由 EP1001 復原")).to_be_visible()


def test_a_member_of_staff_looks_certifies_and_reports(site, chromium, pictures):
    """The staff's part of docs/manual.md: 首頁, 我的時數, 時數證明, 報修."""
    page = signed_in(chromium, site, "EP1002", viewport={"width": 1280, "height": 800})
    expect(page.get_by_role("heading", name="年度列管總時數")).to_contain_text("已完成")
    pictures(page, "home")
    page.get_by_role("link", name="我的時數").click()
    expect(page.get_by_role("region", name="我的學習紀錄")).to_contain_text("檔案第")
    pictures(page, "my-hours")
    with page.expect_download() as download:
        page.get_by_role("button", name="下載時數證明").click()
    paper = pypdfium2.PdfDocument(download.value.path().read_bytes())
    text = "".join(sheet.get_textpage().get_text_range() for sheet in paper)
    code = re.search(r"驗證碼：([A-Z2-7-]{24})", text)
    page.get_by_role("link", name="網站導覽").click()
    page.get_by_role("link", name="驗證時數證明").click()
    page.get_by_label("驗證碼").fill(code[1])
    page.get_by_role("button", name="驗證").click()
    expect(page.get_by_role("status")).to_contain_text("是本平台核發的")
    pictures(page, "verify")
    page.get_by_role("link", name="報修").click()
    page.get_by_role("link", name="我要報修").click()
    page.get_by_label("什麼事").fill("時數沒有出現")
    page.get_by_label("說明").fill("上個月上完的課，首頁還沒有看到。")
    page.get_by_role("button", name="送出").click()
    expect(page.get_by_role("status")).to_contain_text("已收到，報修編號")

    desk = signed_in(chromium, site, "IC1001")
    desk.get_by_role("link", name="通知").click()
    desk.get_by_role("link", name="新的報修案件").first.click()
    desk.get_by_label("回覆").fill("貴機關這個月還沒有匯入，匯入後就會出現。")
    desk.get_by_role("button", name="送出").click()
    page.reload()
    expect(page.get_by_role("article", name="第 1 則回覆")).to_contain_text("客服")
    pictures(page, "ticket")


def test_accounts_departments_and_teachers(site, chromium, pictures):
    """From a new account to its password, set by its owner; pictures of the manual."""
    page = signed_in(chromium, site, viewport={"width": 1280, "height": 800})
    page.goto("/manage/")
    page.get_by_role("link", name="帳號管理").first.click()
    pictures(page, "accounts")
    add_account(page, "EP9001", "方新進")
    page.get_by_role("button", name="變更部門或身分").click()
    page.get_by_label("資訊人員").check()
    page.get_by_role("button", name="確定變更部門或身分").click()
    expect(page.get_by_role("cell", name="資訊人員、一般使用者及主管", exact=True)).to_be_visible()
    pictures(page, "account")
    page.get_by_role("button", name="重設密碼").click()
    page.get_by_role("button", name="確定重設密碼").click()
    expect(page.get_by_role("alert")).to_contain_text("請填寫")
    page.get_by_role("link", name="取消").click()
    second, code = code_by_second(chromium, site, page, "EP9001")
    pictures(second, "reset-code")

    newcomer = signed_in_by_code(chromium, site, "EP9001", code)
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("方新進")

    page.goto("/manage/departments/")
    page.get_by_role("link", name="新增部門").click()
    page.get_by_label("部門", exact=True).fill("綜合規劃科")
    page.get_by_role("button", name="存檔").click()
    page.goto("/manage/departments/")
    page.get_by_role("checkbox", name="選取 綜合規劃科").check()
    pictures(page, "departments")
    page.get_by_role("button", name="合併").click()
    page.get_by_label("併入的部門").select_option("人事室")
    page.get_by_role("button", name="確定合併").click()
    expect(page.get_by_text("已併入人事室")).to_be_visible()

    page.goto("/manage/teachers/add/")
    page.get_by_label("姓名").fill("林外聘")
    page.get_by_label("專長").fill("資安稽核、網路架構")
    page.get_by_role("button", name="存檔").click()
    page.get_by_role("button", name="登錄證照").click()
    page.get_by_label("證照名稱").fill("ISO 27001 主導稽核員")
    soon = roc_dates.roc_date(datetime.now(ZoneInfo("Asia/Taipei")).date() + timedelta(days=60))
    page.get_by_role("textbox", name="到期日").fill(soon)
    page.get_by_role("button", name="確定登錄證照").click()
    expect(page.get_by_text("即將到期").first).to_be_visible()
    pictures(page, "teacher")


@pytest.mark.parametrize("width", [360, 1280])
def test_from_the_city_down_to_the_line_of_a_file(site, chromium, pictures, width):
    page = signed_in(chromium, site, "IC1001", viewport={"width": width, "height": 900})
    page.goto("/manage/")
    modules = page.get_by_role("navigation", name="管理模組")
    modules.get_by_role("link", name="學習地圖管理").click()
    tabs = page.get_by_role("navigation", name="學習地圖管理")
    tabs.get_by_role("link", name="全市達標狀況").click()
    head = page.get_by_role("columnheader", name="未達標人數")
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert_accessible(page)
    if width > 360:
        pictures(page, "city")
    page.get_by_role("link", name="示範市政府環境保護局").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("示範市政府環境保護局達標狀況")
    expect(page.get_by_role("img", name="各月底的達標率")).to_be_visible()
    assert_accessible(page)
    if width > 360:
        pictures(page, "board")
    page.get_by_text("趨勢的數字").click()
    expect(page.get_by_role("row", name="115-01-31")).to_be_visible()
    page.get_by_role("link", name="資訊科").click()
    expect(page.get_by_label("部門")).not_to_have_value("")
    with page.expect_download() as download:
        page.get_by_role("link", name="下載 Excel").click()
    assert download.value.suggested_filename == "達標名單.xlsx"
    page.get_by_role("row", name="EP1").first.get_by_role("link").first.click()
    expect(page.get_by_text("採計").first).to_be_visible()
    assert_accessible(page)
    if width > 360:
        pictures(page, "person")
    page.get_by_role("link", name="匯入編號").first.click()
    expect(page.get_by_role("heading", name="匯入完成")).to_be_visible()


def test_the_clerk_reminds_those_who_are_behind(site, chromium, pictures):
    page = signed_in(chromium, site, viewport={"width": 1280, "height": 800})
    page.goto(BOARD)
    page.get_by_role("link", name="看未達標的同仁").click()
    page.get_by_role("checkbox", name="EP").first.check()
    expect(page.get_by_text("已勾選 1 筆")).to_be_visible()
    pictures(page, "people")
    page.get_by_role("button", name="提醒勾選的同仁").click()
    expect(page.get_by_role("heading", name="提醒 1 位同仁？")).to_be_visible()
    assert_accessible(page)
    pictures(page, "remind")
    page.get_by_role("button", name="確定提醒 1 人").click()
    expect(page.get_by_text("已提醒 1 人")).to_be_visible()
    page.get_by_role("checkbox", name="EP").first.check()
    page.get_by_role("button", name="提醒勾選的同仁").click()
    expect(page.get_by_text("今天都已經提醒過")).to_be_visible()


def test_the_first_key_skips_the_menu_and_places_have_keys(site, chromium):
    page = signed_in(chromium, site, "EP1002")
    page.goto("/faq/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到主要內容")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    for key in "UCZ":
        expect(page.locator(f"[accesskey={key}]")).to_have_count(1)


def test_the_monthly_job_without_javascript(site, chromium, tmp_path):
    page = signed_in(chromium, site, java_script_enabled=False)
    page.locator(".top summary").click()
    open_the_list(page)
    page.get_by_role("link", name="CSV說明").click()
    page.get_by_role("link", name="同仁學習狀況明細").click()
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=20))
    page.get_by_role("button", name="上傳CSV檔").click()
    done = page.get_by_role("heading", name="匯入完成")
    renew = page.get_by_role("link", name="更新進度")
    expect(done.or_(renew)).to_be_visible()
    while not done.is_visible():
        renew.click()
        expect(done.or_(renew)).to_be_visible()
    expect(page.locator("dl.sums")).to_contain_text("60")
    with page.expect_download():
        page.get_by_role("link", name="下載無法匯入資料").click()
    result = page.url
    page.get_by_role("link", name="同仁學習狀況明細").first.click()
    expect(page.get_by_text("匯入資料總筆數為 60 筆")).to_be_visible()
    expect(page.get_by_role("row", name="EP1").first).to_be_visible()
    page.goto(result)
    page.get_by_role("link", name="復原這次匯入").click()
    page.get_by_role("button", name="確定復原").click()
    expect(page.get_by_text("由 EP1001 復原")).to_be_visible()


def test_the_whole_job_by_keyboard_alone(site, chromium, tmp_path):
    page = visit(chromium, site)
    page.goto("/")
    page.keyboard.type("EP1001")
    press(page, page.get_by_label("密碼"))
    page.keyboard.type(site[1])
    page.keyboard.press("Enter")
    press(page, page.locator(".top summary"), "Enter")
    press(page, page.get_by_role("link", name="管理環境"), "Enter")
    press(page, page.get_by_role("link", name="單一機關終身學習時數管理"), "Enter")
    file = page.get_by_label("上傳終身學習時數")
    press(page, file)
    # The dialog itself is the browser's own, and a headless one does not open it every time.
    file.set_input_files(sample(tmp_path, seed=22, rows=70))
    expect(file).to_be_focused()
    press(page, page.get_by_role("button", name="上傳CSV檔"), "Enter")
    window = page.get_by_role("dialog")
    expect(window.get_by_role("heading", name="匯入完成")).to_be_visible()
    press(page, window.get_by_role("link", name="下載無法匯入資料"))
    with page.expect_download():
        page.keyboard.press("Enter")
    press(page, window.get_by_role("button", name="關閉視窗"), "Enter")
    expect(page.get_by_text("匯入資料總筆數為 70 筆")).to_be_visible()  # the list renewed itself
    press(page, page.get_by_label("關鍵字"))
    page.keyboard.type("EP1003")
    start = page.get_by_label("搜尋期間起日", exact=True)
    press(page, start)
    page.keyboard.press("Control+A")
    page.keyboard.type("1150101")
    press(page, page.get_by_role("button", name="搜尋期間迄日：選日期"), "Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_label("搜尋期間迄日", exact=True)).to_have_value("115-12-24")
    press(page, page.get_by_role("button", name="確定"), "Enter")
    page.wait_for_url("**q=EP1003**")
    expect(start).to_have_value("115-01-01")
    press(page, page.get_by_role("checkbox", name="EP1003").first, "Space")
    expect(page.get_by_text("已勾選 1 筆")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    press(page, page.get_by_role("button", name="刪除時數"), "Enter", key="Shift+Tab")
    press(page, page.get_by_label("刪除的原因"))
    page.keyboard.type("誤植")
    press(page, page.get_by_role("button", name="確定刪除"), "Enter")
    press(page, page.get_by_role("button", name="還原").first, "Enter")
    expect(page.get_by_text("已還原 1 筆時數")).to_be_visible()


def press(page, target, then=None, key="Tab"):
    """Walk the focus to `target`, as a hand on the keyboard does, then press a key on it."""
    expect(target).to_be_visible()
    for _ in range(90):
        if target.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press(key)
    expect(target).to_be_focused()
    if then:
        page.keyboard.press(then)


def test_a_password_is_asked_for_only_when_the_file_has_one(site, chromium, tmp_path):
    page = signed_in(chromium, site)
    page.goto(LIST)
    ask = page.get_by_label("檔案密碼")
    file = page.get_by_label("上傳終身學習時數")
    file.set_input_files(sample(tmp_path, seed=23))
    expect(ask).to_be_hidden()
    locked = tmp_path / "成績.zip"
    with pyzipper.AESZipFile(locked, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"Abc12345")
        archive.write(sample(tmp_path, seed=23), "a.csv")
    file.set_input_files(locked)
    expect(ask).to_be_focused()
    ask.fill("wrong")
    page.get_by_role("button", name="試匯入").click()
    window = page.get_by_role("dialog")
    expect(window.get_by_text("密碼不正確")).to_be_visible()
    window.get_by_label("檔案密碼").fill("Abc12345")
    window.get_by_role("button", name="繼續匯入").click()
    expect(window.get_by_role("heading", name="試匯入完成")).to_be_visible()


def test_a_file_of_another_kind_is_refused_in_the_window(site, chromium, tmp_path):
    page = signed_in(chromium, site)
    page.goto(LIST)
    wrong = tmp_path / "x.csv"
    wrong.write_bytes(b"%PDF-1.7")
    page.get_by_label("上傳終身學習時數").set_input_files(wrong)
    page.get_by_role("button", name="上傳CSV檔").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("PDF")


def test_the_script_tells_a_cut_connection(site, chromium, tmp_path):
    page = signed_in(chromium, site)
    page.goto(LIST)
    page.route("**/upload/", lambda route: route.abort())
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=24))
    page.get_by_role("button", name="上傳CSV檔").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("檢查網路")


@pytest.mark.parametrize("width", [360, 1440])
def test_the_platform_grades_renames_and_merges_agencies(site, chromium, pictures, width):
    """機關管理, up to the page that says what a merger does; nothing is merged."""
    page = signed_in(chromium, site, "IC1001", viewport={"width": width, "height": 900})
    today = datetime.now(ZoneInfo("Asia/Taipei")).date()
    page.goto("/manage/agencies/")
    assert_accessible(page)
    if width > 1000:
        pictures(page, "agencies")
    page.get_by_role("link", name="382990002Z").click()
    for action, label, chosen in (
        ("核定責任等級", "責任等級", "B級"),
        ("登錄資安長", "資安長", None),
    ):
        page.get_by_role("button", name=action).click()
        assert_accessible(page)
        page.get_by_label(label, exact=True).select_option(
            *([chosen] if chosen else []), **({} if chosen else {"index": 2})
        )
        page.get_by_role("button", name=f"確定{action}").click()
    page.get_by_role("button", name="改名").click()
    page.get_by_label("新的機關名稱").fill("示範市政府環境永續局")
    page.get_by_role("textbox", name="生效日").fill(roc_dates.roc_date(today + timedelta(days=30)))
    page.get_by_role("button", name="確定改名").click()
    expect(page.get_by_text("尚未生效").first).to_be_visible()
    assert_accessible(page)
    if width > 1000:
        pictures(page, "agency")
    page.get_by_role("region", name="機關名稱").get_by_role("button", name="取消").click()
    page.get_by_label("理由").fill("示範")
    page.get_by_role("button", name="確定取消登記").click()
    expect(page.get_by_text("尚未生效")).to_be_hidden()
    page.get_by_role("button", name="合併或裁撤").click()
    page.get_by_label("併入的機關").select_option(index=1)
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_role("button", name="確定合併")).to_be_visible()
    if width > 1000:
        pictures(page, "agency-merge")
    assert_accessible(page)


@pytest.mark.parametrize("width", [360, 1440])
def test_a_rule_is_changed_after_a_look_at_who_turns_red(site, chromium, pictures, width):
    page = signed_in(chromium, site, "IC1001", viewport={"width": width, "height": 900})
    page.goto(RULES)
    if width > 1000:
        pictures(page, "rules")
    page.get_by_role("link", name="一般使用者及主管").click()
    page.get_by_role("link", name="訂定新版本").click()
    page.get_by_label("時數").fill("6")
    page.get_by_label("依據").fill("測試要點")
    page.get_by_label("生效日", exact=True).fill("1990101")
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_text("視同今天就生效")).to_be_visible()
    assert_accessible(page)
    if width > 1000:
        pictures(page, "rule-preview")
    page.get_by_role("button", name="回上一步修改").click()
    expect(page.get_by_label("時數")).to_have_value("6")
    page.get_by_label("生效日", exact=True).fill("1150101")
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_role("alert")).to_contain_text("範例「今年兩次共 3 小時」應為已達標")
    assert_accessible(page)


def test_the_result_of_an_import_says_what_it_changed(site, chromium, tmp_path, pictures):
    page = signed_in(chromium, site, viewport={"width": 1280, "height": 800})
    page.goto(LIST)
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=26, rows=90))
    page.get_by_role("button", name="試匯入").click()
    window = page.get_by_role("dialog")
    expect(window.get_by_text("未達標")).to_contain_text("人 →")
    assert_accessible(page)
    pictures(page, "effect")


ADDRESSES = (
    "/",
    *("/my/hours/", "/my/hours/?year=115&category=522", "/verify/", "/verify/AAAA/"),
    *("/my/hours/claims/", "/my/hours/claims/apply/", "/manage/learning-map/claims/"),
    f"{BOARD}assign/",
    *("/search/", "/search/?q=nothing", "/faq/", "/about/", "/sitemap/"),
    *("/support/", "/support/new/?run=1", "/manage/support/", "/manage/support/?state=all"),
    *("/manage/pages/", "/manage/pages/faq/", "/manage/pages/keywords/"),
    "/accounts/password/",
    "/manage/",
    LIST,
    f"{LIST}?q=nobody",
    f"{RUNS}",
    f"{RUNS}1/",
    f"{RUNS}2/",
    f"{RUNS}2/rows/?which=rejected",
    f"{RUNS}2/undo/",
    f"{RUNS}2/effect/",
    *(RULES, f"{RULES}1/", f"{RULES}add/", f"{RULES}1/change/", f"{RULES}1/end/"),
    *(f"{RULES}1/examples/add/", f"{RULES}policy/"),
    "/manage/learning-map/hours/",
    "/manage/learning-map/help/",
    "/manage/learning-map/hours/deleted/",
    "/manage/learning-map/waiting/",
    *(
        "/accounts/reset/",
        "/manage/accounts/",
        "/manage/accounts/?q=nobody",
        "/manage/accounts/add/",
    ),
    *("/manage/accounts/21/", "/manage/accounts/22/edit/", "/manage/accounts/21/history/"),
    "/manage/accounts/roster/",
    *("/manage/departments/", "/manage/departments/add/", "/manage/departments/5/"),
    *("/manage/agencies/", "/manage/agencies/add/", "/manage/agencies/1/"),
    *("/manage/agencies/1/edit/", "/manage/agencies/1/history/"),
    *("/manage/teachers/", "/manage/teachers/add/"),
    *(BOARD, f"{BOARD}?on=115-06-30", f"{BOARD}?known=114-12-31", "/manage/learning-map/city/"),
    *(f"{BOARD}people/", f"{BOARD}people/?light=", f"{BOARD}people/22/", f"{BOARD}people/2/"),
    *("/manage/learning-map/rules/", "/manage/learning-map/rules/1/"),
    *("/manage/learning-map/rules/add/", "/manage/learning-map/rules/policy/"),
    *("/manage/reviews/delegations/", "/manage/applications/", "/manage/transfers/"),
    *("/manage/transfers/coming/", "/manage/transfers/going/", "/manage/identity-changes/"),
    *("/manage/person-links/", "/manage/person-links/1/"),
    *("/my/identities/", "/manage/reviews/", "/notices/", "/incidents/", "/incidents/report/"),
    "/devices/",
    *("/manage/incidents/", "/manage/incidents/time-limits/", "/manage/officers/"),
    *("/manage/devices/", "/manage/devices/add/", "/manage/devices/import/"),
    *("/manage/decisions/", "/manage/products/", "/manage/products/add/"),
    *("/manage/campaigns/", "/manage/campaigns/add/", "/manage/addresses/"),
    *("/manage/advisories/", "/manage/advisories/add/", "/manage/advisories/import/"),
    "/manage/trail/?verify=1",
    "/nowhere/",
)


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize(
    ("username", "looks"),
    [("EP1001", ((360, "light"), (1440, "dark"))), ("IC1001", ((1440, "light"), (360, "dark")))],
)
def test_no_page_has_an_accessibility_fault(site, chromium, username, looks, part):
    """Every page for both roles; in both widths and both schemes, each pair by one of them."""
    walk(signed_in(chromium, site, username), ADDRESSES[part::4], *looks)


@pytest.mark.parametrize(
    "address", ["/accounts/login/", "/accounts/apply/", "/accounts/apply/state/"]
)
def test_no_page_before_signing_in_has_an_accessibility_fault(site, chromium, address):
    looks = ((360, "light"), (360, "dark"), (1440, "light"), (1440, "dark"))
    walk(visit(chromium, site), [address], *looks)


@pytest.mark.parametrize("width", [360, 1440])
def test_the_windows_over_the_list_have_no_accessibility_fault(site, chromium, tmp_path, width):
    page = signed_in(chromium, site, viewport={"width": width, "height": 900})
    page.goto(LIST)
    page.get_by_role("button", name="搜尋期間起日：選日期").click()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.locator("summary", has_text="欄位").click()
    assert_accessible(page)
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=25))
    page.get_by_role("button", name="試匯入").click()
    expect(page.get_by_role("heading", name="試匯入完成")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="關閉視窗").click()
    page.get_by_role("checkbox", name="EP1").first.check()
    page.get_by_role("button", name="刪除時數").click()
    expect(page.get_by_role("button", name="確定刪除")).to_be_visible()
    assert_accessible(page)
