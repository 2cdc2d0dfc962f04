"""The pages of courses through HTTP: what is made, done and taken away there."""

import csv
import io
import re
import zipfile
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ismp.accounts import demo_data
from ismp.audit.models import Event
from ismp.courses.classroom.actions import attendance
from ismp.courses.models import (
    Attendance,
    Course,
    Enrollment,
    Material,
    Progress,
    Question,
    Quiz,
    Session,
    SignUp,
)
from ismp.courses.online import files
from ismp.courses.portal_scores import exports as portal_scores_exports
from ismp.hours.models import Duplicate, Record
from ismp.portal.back_office.event_words import event_in_words
from ismp.ui.text import roc_dates
from tests.support.courses import end_now
from tests.support.portal_files import data, row
from tests.support.smtp import NOON

pytestmark = pytest.mark.django_db
MP4 = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 20


def as_role(client, account, role, username="IC1001"):
    client.force_login(account(username, role))
    return client


def text_of(client, address):
    return client.get(address, follow=True).content.decode()


def begin_soon(meeting):
    """The class begins in an hour."""
    meeting.starts_at = timezone.now() + timedelta(hours=1)
    meeting.ends_at = meeting.starts_at + timedelta(hours=3)
    meeting.save()


def test_a_course_put_together_and_learned(client, account):
    admin = as_role(client, account, "agency_admin")
    made = admin.post(
        "/manage/online-courses/add/",
        {
            "title": "臺北資安",
            "category": "522",
            "hours": "2.5",
            "description": "# 目標\n<script>x",
        },
    )
    course = Course.objects.get()
    assert made["Location"] == f"/manage/online-courses/{course.pk}/"
    page = f"/manage/online-courses/{course.pk}/"
    refused = admin.post("/manage/online-courses/open/", {"ids": course.pk, "confirmed": "1"})
    assert "還沒有教材" in refused.content.decode()
    add = f"{page}materials/add/?kind="
    assert admin.post(f"{add}page", {"title": "第一章", "text": "**重點**"}).status_code == 302
    assert admin.post(f"{add}link", {"title": "外站", "link": "a.example/站"}).status_code == 302
    assert course.materials.get(title="外站").link == "https://a.example/站"
    film = SimpleUploadedFile("film.mp4", MP4)
    assert admin.post(f"{add}video", {"title": "影片", "file": film}).status_code == 302
    assert [one.title for one in course.materials.all()] == ["第一章", "外站", "影片"]
    last = course.materials.last()
    admin.post(f"/manage/online-courses/materials/{last.pk}/up/")
    assert [one.title for one in course.materials.all()] == ["第一章", "影片", "外站"]
    quiz = {"drawn": "1", "pass_mark": "60", "attempts": "2"}
    assert admin.post(f"{page}quiz/", quiz).status_code == 302
    asked = {"kind": "multiple", "text": "哪些安全？", "options": "*甲\n乙\n*丙"}
    assert admin.post(f"{page}questions/add/", asked).status_code == 302
    admin.post("/manage/online-courses/open/", {"ids": course.pk, "confirmed": "1"})
    listed = admin.get(f"/manage/online-courses/?q={course.title}").content.decode()
    assert "開放" in listed and "2.5" in listed

    staff = as_role(client, account, "staff", "IC1002")
    assert "臺北資安" in text_of(staff, "/search/?q=台北")
    shown = text_of(staff, course.get_absolute_url())
    assert "<h2>目標</h2>" in shown and "<script>x" not in shown
    learn = f"/courses/{course.pk}/learn/"
    assert staff.post(f"/courses/{course.pk}/enroll/")["Location"] == learn
    for material in course.materials.all():
        assert material.title in text_of(staff, f"{learn}{material.pk}/")
        staff.post(f"{learn}{material.pk}/")
    staff.post(f"{learn}{last.pk}/second/", {"second": "77"})
    assert Progress.objects.get(material=last).second == 77
    quiz = f"/courses/{course.pk}/quiz/"
    staff.post(quiz, {"begin": "1"})
    paper = text_of(staff, quiz)
    assert "哪些安全" in paper and "right" not in paper
    options = re.findall(r'value="(\d)"> (\S)', paper)
    assert not Record.objects.exists()
    chosen = [value for value, option in options if option in "甲丙"]
    assert "得 100 分，通過" in staff.post(quiz, {"q0": chosen}, follow=True).content.decode()
    assert Record.objects.get().hours == 2500
    assert "資通安全" in text_of(staff, "/my/hours/")
    assert "完成" in text_of(staff, "/courses/mine/")
    assert "已完成這門課程" in text_of(staff, course.get_absolute_url())


@pytest.mark.parametrize(
    "case",
    [
        ("video", b"%PDF-1.7", "種類不同"),
        ("pdf", MP4, "種類不同"),
        ("video", b"MZ\x90\0", "不是 MP4"),
        ("pdf", b"", "空的"),
        ("video", MP4 + b"x", "超過"),
        ("video", None, "請"),
    ],
)
def test_a_file_that_is_no_material_is_reported(things, clerk, settings, case):
    kind, content, says = case
    settings.MATERIAL_MAX_BYTES = len(MP4)
    sent = {"title": "教材"} | (
        {"file": SimpleUploadedFile("a", content)} if content is not None else {}
    )
    place = f"/manage/online-courses/{things['online_courses_id']}/materials/add/?kind={kind}"
    answer = clerk.post(place, sent)
    assert says in answer.content.decode()
    assert Material.objects.count() == 1


@pytest.mark.parametrize(
    "case",
    [
        ("single", "*甲\n*乙", "只能有一個"),
        ("single", "甲\n乙", "只能有一個"),
        ("multiple", "甲\n乙", "至少一個"),
        ("single", "*甲", "2 到 20 個"),
        ("single", "*甲\n甲", "相同"),
        ("truth", "*對\n錯", "「是」與「否」"),
    ],
)
def test_a_question_that_cannot_be_answered_is_reported(things, clerk, case):
    kind, options, says = case
    place = f"/manage/online-courses/{things['online_courses_id']}/questions/add/"
    answer = clerk.post(place, {"kind": kind, "text": "題目", "options": options})
    assert says in answer.content.decode()
    assert Question.objects.count() == 1


@pytest.mark.parametrize(
    "case",
    [
        ("", 200, None),
        ("bytes=0-", 206, "bytes 0-99/5132"),
        ("bytes=5000-", 206, "bytes 5000-5099/5132"),
        ("bytes=5100-9999", 206, "bytes 5100-5131/5132"),
        ("bytes=10-19", 206, "bytes 10-19/5132"),
        ("bytes=-7", 206, "bytes 5125-5131/5132"),
        ("bytes=5132-", 416, "bytes */5132"),
        ("bytes=20-10", 416, "bytes */5132"),
        ("bytes=1-2,5-6", 200, None),
        ("lines=1-2", 200, None),
    ],
)
def test_a_player_gets_the_range_it_asks_for(things, clerk, monkeypatch, case):
    asked, status, content_range = case
    monkeypatch.setattr("ismp.courses.views._AT_ONCE", 100)
    material = Material.objects.get()
    material.size = len(MP4)
    material.save()
    files.store(material, [MP4])
    place = f"/courses/{material.course_id}/learn/{material.pk}/file/"
    answer = clerk.get(place, headers={"Range": asked} if asked else {})
    assert (answer.status_code, answer.get("Content-Range")) == (status, content_range)
    if status != 416:
        first, last = (
            (0, len(MP4) - 1) if status == 200 else map(int, re.findall(r"\d+", content_range)[:2])
        )
        assert b"".join(answer.streaming_content) == MP4[first : last + 1]
        assert answer["Content-Length"] == str(last - first + 1)
        assert answer["Content-Type"] == "video/mp4"


def test_people_are_assigned_by_list_and_by_identity(client, account, things):
    admin = as_role(client, account, "agency_admin")
    place, course = "/manage/online-courses/assign/", things["online_courses_id"]
    wrong = admin.post(
        place, {"ids": course, "confirmed": "1", "whom": "list", "usernames": "ic1002\nEP1001"}
    )
    assert "找不到 1 個在職的公務帳號：ep1001" in wrong.content.decode()
    done = {"ids": course, "confirmed": "1", "whom": "list", "usernames": "ic1002\nIC1003"}
    assert "已指派 2 人" in admin.post(place, done, follow=True).content.decode()
    everybody = admin.post(place, {"ids": course, "confirmed": "1", "whom": "it"}, follow=True)
    assert "已指派" in everybody.content.decode()
    by_duty = Enrollment.objects.filter(way="duty")
    assert by_duty.exists() and all("it" in one.account.identities for one in by_duty)


def test_a_class_from_sign_up_to_the_hours(client, account, things, time_machine):
    time_machine.move_to(NOON)
    session = Session.objects.get()
    meeting = session.meetings.get()
    begin_soon(meeting)
    staff = as_role(client, account, "staff", "IC1002")
    page = text_of(staff, f"/courses/{session.course_id}/")
    assert "第 1 期" in page
    page_text = staff.post(f"/courses/sessions/{session.pk}/sign-up/", follow=True).content.decode()
    assert "錄取" in page_text
    code = attendance.code_of(meeting, shown_by=account("IC1001"))
    arrive = f"/courses/meetings/{meeting.pk}/attend/{code}/"
    ticket = re.search(r'name="ticket" value="([^"]+)"', text_of(staff, arrive))[1]
    assert "簽到完成" in staff.post(arrive, {"ticket": ticket}).content.decode()
    assert "已經更新" in text_of(staff, f"/courses/meetings/{meeting.pk}/attend/x/")
    teacher = as_role(client, account, "teacher")
    assert "社交工程演練" in text_of(teacher, "/courses/teaching/")
    room = text_of(teacher, f"/courses/teaching/meetings/{meeting.pk}/room/")
    assert "<svg" in room and 'style="' not in room
    assert "已簽到 <strong>1</strong>／2 人" in room
    place = f"/courses/teaching/sessions/{session.pk}/"
    signed = SignUp.objects.get(account__username="IC1002")
    first = SignUp.objects.get(account__username="IC1001")
    bad = {f"meeting-{meeting.pk}": [signed.pk], f"score-{signed.pk}": "101"}
    assert "0 到 100" in teacher.post(place, bad, follow=True).content.decode()
    good = {f"meeting-{meeting.pk}": [signed.pk], f"score-{signed.pk}": "88"}
    teacher.post(place, good)
    assert SignUp.objects.get(pk=signed.pk).score == 88
    assert "還沒結束" in teacher.post(f"{place}finish/", follow=True).content.decode()
    end_now(meeting)
    colleague = Client()  # the teacher learns too: a colleague enters those marks
    colleague.force_login(account("IC1003", "agency_admin"))
    sheet = SimpleUploadedFile("a.csv", "公務帳號,成績\r\nic1001,70\r\n".encode("cp950"))
    colleague.post(f"{place}file/", {"what": "scores", "file": sheet})
    sheet = SimpleUploadedFile("a.csv", b"IC1001\nIC1002\n")
    colleague.post(f"{place}file/", {"what": str(meeting.pk), "file": sheet})
    assert Attendance.objects.count() == 2
    sheet = SimpleUploadedFile("a.csv", b"IC1001\nNOBODY\n")
    assert (
        "NOBODY"
        in teacher.post(
            f"{place}file/", {"what": str(meeting.pk), "file": sheet}, follow=True
        ).content.decode()
    )
    assert Attendance.objects.count() == 2
    assert "與您自己有關" in teacher.post(f"{place}finish/", follow=True).content.decode()
    assert "2 人取得時數" in colleague.post(f"{place}finish/", follow=True).content.decode()
    assert set(Record.objects.live().values_list("account__username", "score", "hours")) == {
        ("IC1001", "70", 3000),
        ("IC1002", "88", 3000),
    }
    scores = "/manage/learning-map/classroom-scores/"
    admin = as_role(client, account, "agency_admin")
    assert "IC1002" in text_of(admin, f"{scores}?session={first.session_id}")
    other = Session.objects.create(
        course=first.session.course,
        number=2,
        quota=1,
        place="x",
        opens_on=first.session.opens_on,
        closes_on=first.session.closes_on,
    )
    assert f"{other}" in text_of(admin, scores)
    assert "IC1002" not in text_of(admin, f"{scores}?session={other.pk}")


def test_a_teacher_sees_her_own_courses_only(client, account, things):
    Course.objects.get(title="社交工程演練").teachers.clear()
    teacher = as_role(client, account, "teacher")
    session = Session.objects.get()
    assert teacher.get(f"/courses/teaching/sessions/{session.pk}/").status_code == 404
    assert "社交工程演練" not in text_of(teacher, "/courses/teaching/")


def test_sign_ups_are_judged_from_the_list(client, account, things):
    begin_soon(Session.objects.get().meetings.get())
    Session.objects.update(needs_approval=True, quota=2)
    for username in ("IC1002", "IC1003"):
        staff = as_role(client, account, "staff", username)
        staff.post(f"/courses/sessions/{things['session_id']}/sign-up/")
    asking = list(SignUp.objects.filter(standing="applied").order_by("turn"))
    assert len(asking) == 2
    admin = as_role(client, account, "agency_admin")
    chosen = {"ids": [one.pk for one in asking], "confirmed": "1"}
    admin.post("/manage/sign-ups/approve/", chosen)
    assert [SignUp.objects.get(pk=one.pk).standing for one in asking] == ["enrolled", "waiting"]
    admin.post("/manage/sign-ups/take_out/", {"ids": asking[0].pk, "confirmed": "1"})
    assert SignUp.objects.get(pk=asking[1].pk).standing == "enrolled"


@pytest.mark.parametrize(
    ("timings", "says"),
    [
        ("明天早上", "第 1 列請寫成"),
        ("115-02-30 09:00-12:00", "不存在"),
        ("115-02-02 09:00-12:00 4", "還長"),
        ("115-02-02 09:00-12:00\n115-02-02 11:00-13:00", "重疊"),
        ("115-01-30 09:00-12:00", "不能晚於第一次上課"),
        ("１１５-０２-０２　０９：００～１２：００", ""),
    ],
)
def test_the_times_of_a_class_as_people_type_them(client, account, things, timings, says):
    admin = as_role(client, account, "agency_admin")
    values = {"course": things["classroom_courses_id"], "place": "102", "quota": "5"}
    values |= {"opens_on": "115-01-05", "closes_on": "115-02-01", "timings": timings}
    answer = admin.post("/manage/sessions/add/", values)
    assert answer.status_code == (200 if says else 302)
    assert says in answer.content.decode()
    if not says:
        assert Session.objects.get(number=2).meetings.get().hours == 3000


# --- Taking scores away ----------------------------------------------------------------------------


UPLOAD = "/manage/learning-map/scores/upload/"


def finished(client, account, things):
    """IC1001 has completed the online course and the class."""
    staff = as_role(client, account, "staff")
    material, quiz = things["material_id"], f"/courses/{things['course_id']}/quiz/"
    staff.post(f"/courses/{things['course_id']}/learn/{material}/")
    staff.post(quiz, {"begin": "1"})
    staff.post(quiz, {"q0": "0"})
    assert Enrollment.objects.get().completed_at
    session = Session.objects.get()
    meeting = session.meetings.get()
    end_now(meeting)
    person = account("IC1001", "agency_admin")
    teacher = account("IC1003", "agency_admin")
    attendance.mark(meeting, [things["sign_ups_id"]], by=teacher)
    attendance.finish(session, by=teacher)
    client.force_login(person)


def asked(**changes):
    today = roc_dates.roc_date(timezone.localdate())
    return {"start": today, "end": today, "county": "10"} | changes


def test_the_file_for_the_portal_flows_back_as_the_same_records(
    client, account, things, import_bytes
):
    finished(client, account, things)
    before = set(Record.objects.live().values_list("pk", "hours"))
    answer = client.post(UPLOAD, asked())
    text = answer.content.decode("cp950")
    assert answer["Content-Disposition"].endswith('.csv"')
    head, *rows = csv.reader(io.StringIO(text))
    assert len(head) == 25 and head[0] == "*身分證字號" and head[-1] == "*實際上課結束時間"
    assert all(len(cells) == 25 for cells in rows) and len(rows) == 2
    person = next(one for one in demo_data.city() if one.username == "IC1001")
    reported = [dict(zip(head, cells, strict=True)) for cells in rows]
    assert {one["*身分證字號"] for one in reported} == {person.national_id}
    assert {one["*學習性質"] for one in reported} == {"1", "2"}
    event = Event.objects.filter(verb="export_for_portal").get()
    assert event.detail["count"] == 2 and person.national_id not in str(event.detail)
    # The portal tells of them again, with our own code as 學習機關(構)編號.
    back = [
        row(
            national_id=one["*身分證字號"],
            name=one["*姓名"],
            organizer_code=person.agency_code,
            category=one["*課程類別代碼"],
            title=one["*課程名稱"],
            term=one["*期別"],
            started_on=one["*開課起始日期"],
            ended_on=one["*開課結束日期"],
            total=one["*訓練總數"],
            digital_hours=one["*數位時數"],
            classroom_hours=one["*實體時數"],
        )
        for one in reported
    ]
    done = import_bytes(data(*back))
    assert (done["created"], done["updated"]) == (0, 2)
    assert set(Record.objects.live().values_list("pk", "hours")) == before
    assert Duplicate.objects.filter(found_at__gte=done["run"].created_at).count() == 0


def test_people_without_an_id_are_named_first(client, account, things):
    finished(client, account, things)
    person = account("IC1001", "agency_admin")
    person.national_id = ""
    person.save()
    assert "IC1001" in client.post(UPLOAD, asked()).content.decode()
    assert "沒有可以上傳" in client.post(UPLOAD, asked(skip="on")).content.decode()
    assert (
        "沒有可以上傳"
        in client.post(UPLOAD, asked(start="114-01-01", end="114-12-31")).content.decode()
    )
    assert "兩位數字" in client.post(UPLOAD, asked(county="臺北")).content.decode()


def test_many_rows_are_split_as_the_portal_wants_them(client, account, things, monkeypatch):
    finished(client, account, things)
    monkeypatch.setattr(portal_scores_exports, "_ROWS_A_FILE", 1)
    archive = zipfile.ZipFile(io.BytesIO(client.post(UPLOAD, asked()).content))
    assert len(archive.namelist()) == 2
    assert all(archive.read(name).startswith('"*身'.encode("cp950")) for name in archive.namelist())


def test_scores_of_the_own_people_only(client, account, things):
    finished(client, account, things)
    assert "IC1001" in text_of(client, "/manage/learning-map/online-scores/?done=yes")
    year = date.today().year
    assert "IC1001" in text_of(client, f"/manage/learning-map/online-scores/?period={year}")
    assert "IC1001" not in text_of(client, f"/manage/learning-map/online-scores/?period={year - 1}")
    client.force_login(account("EP1001", "agency_admin"))
    for kind in ("online", "classroom"):
        assert "IC1001" not in text_of(client, f"/manage/learning-map/{kind}-scores/")
    assert "沒有可以上傳" in client.post(UPLOAD, asked()).content.decode()


# --- What was found from outside -------------------------------------------------------------------


def in_words(client, address, **sent):
    return client.post(address, sent, follow=True).content.decode()


def test_a_quiz_draws_no_more_questions_than_there_are(things, clerk):
    place = f"/manage/online-courses/{things['online_courses_id']}/quiz/"
    quiz = {"drawn": "9", "pass_mark": "60", "attempts": "2"}
    assert "題庫只有 1 題" in clerk.post(place, quiz).content.decode()
    assert clerk.post(place, quiz | {"drawn": "1"}).status_code == 302


def test_a_course_whose_quiz_lacks_questions_is_not_opened(things, clerk, account):
    course = Course.objects.get(pk=things["online_courses_id"])
    course.questions.all().delete()
    Course.objects.update(state="draft")
    course.quiz.drawn = 3
    course.quiz.save()
    opened = in_words(clerk, "/manage/online-courses/open/", ids=course.pk, confirmed="1")
    assert "題庫只有 0 題" in opened
    Question.objects.bulk_create(
        Question(course=course, kind="truth", text=f"{n}", options=["是", "否"], right=[0])
        for n in range(3)
    )
    opened = in_words(clerk, "/manage/online-courses/open/", ids=course.pk, confirmed="1")
    assert "已開放" in opened
    first = course.questions.first()
    kept = in_words(clerk, f"/manage/online-courses/questions/{first.pk}/remove/")
    assert "題庫不能更少" in kept and course.questions.count() == 3


def test_used_up_attempts_offer_no_further_one(client, account, things):
    staff = as_role(client, account, "staff")
    place = f"/courses/{things['course_id']}/quiz/"
    for _ in range(3):
        staff.post(place, {"begin": "1"})
        staff.post(place, {"q0": "1"})
    for page in (place, f"/courses/{things['course_id']}/learn/"):
        shown = text_of(staff, page)
        assert "3 次作答機會已用完" in shown
        assert "開始作答" not in shown and "前往測驗" not in shown


def test_a_file_is_for_those_in_the_course_and_those_who_look_after_it(client, account, things):
    place = f"/courses/{things['course_id']}/learn/{things['material_id']}/file/"
    assert as_role(client, account, "staff").get(place).status_code == 200
    assert as_role(client, account, "staff", "IC1002").get(place).status_code == 404
    assert as_role(client, account, "agency_admin", "IC1002").get(place).status_code == 200


def test_who_had_only_a_removed_material_left_has_completed_the_course(client, account, things):
    course = Course.objects.get(pk=things["course_id"])
    course.questions.all().delete()
    Quiz.objects.all().delete()
    last = course.materials.create(position=2, kind="page", title="第二章")
    staff = as_role(client, account, "staff")
    staff.post(f"/courses/{course.pk}/learn/{things['material_id']}/")
    other = as_role(client, account, "staff", "IC1002")
    other.post(f"/courses/{course.pk}/enroll/")
    admin = as_role(client, account, "agency_admin", "IC1003")
    admin.post(f"/manage/online-courses/materials/{last.pk}/remove/")
    done = Enrollment.objects.exclude(completed_at=None)
    assert [one.account.username for one in done] == ["IC1001"]
    assert Record.objects.get(title=course.title).hours == 3000


def test_no_constraint_and_no_english_word_reaches_a_page(clerk, things):
    session = Session.objects.get()
    waits = {"turn": 9, "way": "list", "standing": "enrolled"}
    SignUp.objects.create(session=session, account_id=things["people_id"], **waits)
    Session.objects.update(taken=2)
    today = roc_dates.roc_date(timezone.localdate())
    values = {"place": "102", "quota": "1", "opens_on": today, "closes_on": today}
    values["timings"] = f"{today} 23:00-23:30"
    page = f"/manage/sessions/{session.pk}/edit/"
    assert "已錄取 2 人，名額不能少於這個人數" in clerk.post(page, values).content.decode()
    backwards = values | {"quota": "5", "closes_on": "114-01-01"}
    shown = clerk.post(page, backwards).content.decode()
    assert shown.count("報名迄日早於報名起日，請更正。") == 1 and "約束條件" not in shown
    form = clerk.get("/manage/sessions/add/").content.decode()
    assert ">課程</label>" in form and "Course" not in form


@pytest.mark.parametrize(
    ("page", "sent", "says"),
    [
        (
            "/manage/online-courses/{online_courses_id}/edit/",
            {"title": "新名稱", "category": "522", "hours": "2.5"},
            ["課程名稱 資安入門影片 → 新名稱", "時數 3 → 2.5"],
        ),
        (
            "/manage/sessions/{sessions_id}/edit/",
            {"place": "五樓", "quota": "9", "timings": "{day} 23:00-23:30"},
            ["地點 101 → 五樓", "名額 3 → 9", "→ {day} 23:00–23:30（0.5 小時）"],
        ),
        (
            "/manage/online-courses/materials/{material_id}/edit/",
            {"title": "短片"},
            ["名稱 影片 → 短片"],
        ),
        (
            "/manage/online-courses/questions/{question_id}/edit/",
            {"kind": "truth", "text": "真的嗎？", "options": "*是\n否"},
            ["題目 對嗎？ → 真的嗎？"],
        ),
        (
            "/manage/online-courses/{online_courses_id}/quiz/",
            {"drawn": "1", "pass_mark": "80", "attempts": "5"},
            ["及格分數 60 → 80", "可作答次數 3 → 5"],
        ),
        (
            "/manage/teachers/{teachers_id}/edit/",
            {"username": "IC1001", "organization": "資安科", "is_engaged": "on"},
            ["服務單位 （空白） → 資安科"],
        ),
    ],
)
def test_each_edit_says_what_was_and_what_is(things, clerk, page, sent, says):
    day = roc_dates.roc_date(timezone.localdate())
    words = {**things, "day": day}
    values = {"opens_on": day, "closes_on": day} | {k: v.format(**words) for k, v in sent.items()}
    assert clerk.post(page.format(**things), values).status_code == 302
    event = Event.objects.first()
    shown = event_in_words(event)[1]
    assert all(one.format(**words) in shown for one in says), shown
