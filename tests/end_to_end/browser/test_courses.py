"""The life of an online course and of a class in headless Chromium: from making it to the hours."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from ismp.ui.text import roc_dates
from tests.support.browser import (
    add_account,
    assert_accessible,
    code_by_second,
    signed_in,
    signed_in_by_code,
    walk,
)

pytestmark = pytest.mark.browser
WIDE = {"width": 1280, "height": 800}
LOOKS = ((360, "dark"), (1440, "light"))
OWN = ("/courses/mine/", "/courses/teaching/")
ONLINE = (
    "/manage/online-courses/",
    "/manage/online-courses/1/materials/add/?kind=video",
    "/manage/online-courses/1/quiz/",
    "/manage/learning-map/online-scores/",
)
CLASSES = (
    "/manage/classroom-courses/",
    "/manage/sessions/",
    "/manage/sessions/add/",
    "/manage/sign-ups/",
    "/manage/learning-map/classroom-scores/",
    "/manage/learning-map/scores/upload/",
    "/manage/learning-map/duplicates/",
)


def save(page):
    page.get_by_role("button", name="存檔").click()


def confirm(page, action):
    page.get_by_role("button", name=action, exact=True).click()
    page.get_by_role("button", name=f"確定{action}").click()


def reached(page, pattern):
    """The path of the page, when it is there."""
    expect(page).to_have_url(re.compile(f"{pattern}$"))
    return urlsplit(page.url).path


def newcomer(chromium, site, clerk, username):
    """Somebody new, who owes 3 hours of 522 and sees it in red."""
    add_account(clerk, username, "方新進")
    _, code = code_by_second(chromium, site, clerk, username)
    page = signed_in_by_code(chromium, site, username, code, viewport=WIDE)
    expect(page.locator(".gauges")).to_contain_text("未達標")
    expect(page.locator(".gauges")).to_contain_text("還差 3 小時")
    return page


def expect_green(page):
    page.goto("/")
    expect(page.locator(".gauges")).to_contain_text("已達標")
    expect(page.locator(".gauges")).not_to_contain_text("未達標")


def test_an_online_course_from_making_it_to_a_green_light(site, chromium, pictures):
    clerk = signed_in(chromium, site, viewport=WIDE)
    staff = newcomer(chromium, site, clerk, "EP9101")
    clerk.goto("/manage/online-courses/")
    clerk.get_by_role("link", name="新增線上課程").click()
    clerk.get_by_label("課程名稱").fill("臺灣資安第一課")
    clerk.get_by_label("課程類別").select_option("522")
    clerk.get_by_label("時數").fill("3")
    clerk.get_by_label("課程說明").fill("認識**釣魚郵件**。")
    save(clerk)
    clerk.get_by_role("link", name="網頁", exact=True).click()
    clerk.get_by_label("名稱").fill("第一章　密碼")
    clerk.get_by_label("內容").fill("# 長密碼\n\n- 不重複使用")
    save(clerk)
    clerk.get_by_role("link", name="連結", exact=True).click()
    clerk.get_by_label("名稱").fill("延伸閱讀")
    clerk.get_by_label("連結").fill("https://example.invalid/")
    save(clerk)
    clerk.get_by_role("link", name="測驗設定").click()
    clerk.get_by_label("每次出題數").fill("2")
    save(clerk)
    for question in ("密碼要長？", "可以共用帳號？"):
        clerk.get_by_role("link", name="新增題目").click()
        clerk.get_by_label("題型").select_option("single")
        clerk.get_by_label("題目").fill(question)
        clerk.get_by_label("選項").fill("*對的答案\n錯的答案")
        save(clerk)
    pictures(clerk, "course-making")
    confirm(clerk, "開放")
    expect(clerk.get_by_role("status").first).to_contain_text("已開放")
    parts = [urlsplit(clerk.url).path]

    staff.goto("/")
    staff.locator("#courses ~ .cards").get_by_role("link", name="臺灣資安第一課").click()
    staff.goto("/search/?q=台灣")
    staff.get_by_role("link", name="臺灣資安第一課").click()
    parts.append(reached(staff, r"/courses/\d+/"))
    staff.get_by_role("button", name="開始上課").click()
    expect(staff.get_by_text("還要完成：")).to_be_visible()
    parts.append(reached(staff, "/learn/"))
    staff.get_by_role("link", name="第一章").click()
    parts.append(reached(staff, r"/learn/\d+/"))
    expect(staff.get_by_role("heading", name="長密碼")).to_be_visible()
    staff.get_by_role("button", name="看完了，下一個").click()
    expect(staff.get_by_role("heading", level=1)).to_contain_text("延伸閱讀")
    staff.get_by_role("button", name="看完了，下一個").click()
    staff.get_by_role("link", name="前往測驗").click()
    staff.get_by_role("button", name="開始作答").click()
    right = staff.get_by_label("對的答案")
    expect(right).to_have_count(2)
    parts.append(reached(staff, "/quiz/"))
    for answer in right.all():
        answer.check()
    pictures(staff, "course-quiz")
    assert_accessible(staff)
    staff.get_by_role("button", name="交卷").click()
    expect(staff.get_by_text("取得 3 小時（採計）")).to_be_visible()
    staff.goto("/my/hours/")
    expect(staff.get_by_text("臺灣資安第一課").first).to_be_visible()
    expect_green(staff)
    expect(staff.locator(".cards").get_by_text("臺灣資安第一課")).to_have_count(0)

    clerk.goto("/manage/learning-map/online-scores/?done=yes")
    expect(clerk.get_by_role("rowheader", name="EP9101")).to_be_visible()
    pictures(clerk, "online-scores")
    walk(staff, (*parts, *OWN), *LOOKS)
    walk(clerk, (*parts, *OWN, *ONLINE), *LOOKS)


def planned(page, day, timing, course="社交工程實作"):
    """A session with one place and one meeting, for which one signs up on that day."""
    page.goto("/manage/sessions/")
    page.get_by_role("link", name="新增期別").click()
    page.locator("#id_course").select_option(label=course)
    page.get_by_label("地點").fill("三樓教室")
    page.get_by_label("名額").fill("1")
    page.get_by_role("textbox", name="報名起日").fill(day)
    page.get_by_role("textbox", name="報名迄日").fill(day)
    page.get_by_label("上課時段").fill(timing)
    save(page)
    return reached(page, r"/sessions/\d+/")


def attended(page, score):
    """From the page of a session: who holds its place was there."""
    page.get_by_role("link", name="出席、成績與結訓").click()
    page.get_by_role("checkbox").first.check()
    page.get_by_label(re.compile("的成績$")).fill(score)
    page.get_by_role("button", name="儲存出席與成績").click()
    expect(page.get_by_role("status").first).to_contain_text("已儲存")


def finished(page):
    page.get_by_role("button", name="結訓").click()
    expect(page.get_by_role("status").first).to_contain_text("1 人取得時數")


def test_a_class_from_planning_it_to_a_green_light(site, chromium, pictures):
    """Two sessions: a person signs up for one, and is put into the other by list."""
    today = roc_dates.roc_date(timezone.localdate())
    yesterday = roc_dates.roc_date(timezone.localdate() - timedelta(days=1))
    tomorrow = roc_dates.roc_date(timezone.localdate() + timedelta(days=1))
    clerk = signed_in(chromium, site, viewport=WIDE)
    staff = newcomer(chromium, site, clerk, "EP9102")
    clerk.goto("/manage/classroom-courses/add/")
    clerk.get_by_label("課程名稱").fill("社交工程實作")
    clerk.get_by_label("課程類別").select_option("522")
    clerk.get_by_label("時數").fill("3")
    save(clerk)
    parts = [reached(clerk, r"/classroom-courses/\d+/")]
    parts.append(planned(clerk, today, f"{tomorrow} 09:00-12:00"))
    clerk.goto(parts[0])
    confirm(clerk, "開放")
    expect(clerk.get_by_role("status").first).to_contain_text("已開放")

    staff.goto("/search/?q=社交工程")
    staff.get_by_role("link", name="社交工程實作").click()
    parts.append(reached(staff, r"/courses/\d+/"))
    staff.get_by_role("button", name="報名 第 1 期").click()
    expect(staff.get_by_role("status").first).to_contain_text("錄取")

    clerk.goto(parts[1])
    attended(clerk, "95")
    parts.append(reached(clerk, r"/sessions/\d+/"))
    clerk.get_by_role("link", name="顯示簽到 QR Code").click()
    parts.append(reached(clerk, "/room/"))
    expect(clerk.locator("#room-code")).to_be_visible()

    planned(clerk, yesterday, f"{yesterday} 09:00-12:00")
    clerk.get_by_role("button", name="依名單報名").click()
    clerk.get_by_label("公務帳號").fill("EP9102")
    clerk.get_by_role("button", name="確定依名單報名").click()
    expect(clerk.get_by_role("status").first).to_contain_text("錄取 1 人")
    attended(clerk, "90")
    finished(clerk)
    pictures(clerk, "class-finished")
    staff.goto("/my/hours/")
    expect(staff.get_by_text("社交工程實作").first).to_be_visible()
    expect_green(staff)
    walk(staff, (*parts, *OWN), *LOOKS)
    walk(clerk, (*parts, *OWN, *CLASSES), *LOOKS)


def test_the_hours_of_a_class_are_uploaded_in_a_batch(site, chromium, pictures):
    yesterday = roc_dates.roc_date(timezone.localdate() - timedelta(days=1))
    clerk = signed_in(chromium, site, viewport=WIDE)
    clerk.goto("/manage/classroom-courses/add/")
    clerk.get_by_label("課程名稱").fill("資安演練")
    clerk.get_by_label("課程類別").select_option("522")
    clerk.get_by_label("時數").fill("3")
    save(clerk)
    course = reached(clerk, r"/classroom-courses/\d+/")
    session = planned(clerk, yesterday, f"{yesterday} 09:00-12:00", "資安演練")
    clerk.goto(course)
    confirm(clerk, "開放")
    clerk.goto(session)
    clerk.get_by_role("button", name="依名單報名").click()
    clerk.get_by_label("公務帳號").fill("EP1002")
    clerk.get_by_role("button", name="確定依名單報名").click()
    attended(clerk, "90")
    finished(clerk)
    scores = "/manage/learning-map/scores/upload/"
    clerk.goto(scores)
    expect(clerk.get_by_text("還沒有上傳的有")).to_be_visible()
    clerk.get_by_label("上課縣市代碼").fill("10")
    clerk.get_by_label("略過").check()
    with clerk.expect_download() as first:
        clerk.get_by_role("button", name="下載", exact=True).click()
    clerk.goto(scores)
    expect(clerk.get_by_role("link", name=re.compile("第 . 批"))).to_have_count(1)
    pictures(clerk, "portal-upload")
    clerk.get_by_role("link", name=re.compile("第 . 批")).click()
    batch = reached(clerk, r"/uploads/\d+/")
    clerk.get_by_role("button", name="再次下載").click()
    with clerk.expect_download() as again:
        clerk.get_by_role("button", name="確定再次下載").click()
    assert again.value.path().read_bytes() == first.value.path().read_bytes()
    # What is deleted after the upload is to be corrected at the portal.
    clerk.goto("/manage/learning-map/agency-hours/?field=title&q=資安演練")
    clerk.get_by_role("checkbox", name=re.compile("EP1002")).first.check()
    clerk.get_by_role("button", name="刪除時數").click()
    clerk.get_by_label("刪除的原因").fill("誤植")
    clerk.get_by_role("button", name=re.compile("確定")).click()
    rows = "/manage/learning-map/uploaded-hours/"
    clerk.goto(f"{rows}?state=differs")
    expect(clerk.get_by_text("已上傳但已不採計，請到入口網刪除")).to_be_visible()
    walk(clerk, (scores, batch, "/manage/learning-map/uploads/", rows), *LOOKS)
    walk(clerk, ("/manage/learning-map/classroom-scores/",), *LOOKS)
    clerk.goto(batch)
    confirm_with = clerk.get_by_role("button", name="撤銷（沒有上傳成功）", exact=True)
    confirm_with.click()
    clerk.get_by_label("理由").fill("入口網退回")
    clerk.get_by_role("button", name="確定撤銷（沒有上傳成功）").click()
    expect(clerk.get_by_role("status").first).to_contain_text("已撤銷")
