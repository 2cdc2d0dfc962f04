"""匯入名冊 in the browser: tried first, line by line, within what the sender may change by hand."""

import io
import re

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from ismp.accounts import demo_data
from ismp.accounts.models import Account
from ismp.accounts.roster import checks as roster_checks
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from ismp.hours.records.actions import records
from ismp.imports import report, running
from ismp.imports.models import ImportRun, Source, State
from tests.support import uploads
from tests.support.portal_files import PERSON, data, row

pytestmark = pytest.mark.django_db
MAP = "/manage/learning-map/"
HEAD = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"
OWN = "382990001Z,示範市政府資訊中心"
THEIRS = "382990002Z,示範市政府環境保護局"


def send(client, *lines, mode="dry_run"):
    """Upload a roster and let the worker import it; returns its run."""
    text = "\n".join([HEAD, *lines, ""]).encode()
    return uploads.send(client, text, source="roster", mode=mode, name="名冊.csv")


def accounts():
    kept = ("username", "name", "agency", "department", "email", "identities", "status", "role")
    return list(Account.objects.order_by("pk").values(*kept))


def as_it_is(username):
    line = next(
        line
        for line in demo_data.roster_csv(demo_data.city()).splitlines()
        if f",{username}," in line
    )
    return line


def test_a_trial_says_line_by_line_what_the_import_then_does(clerk, client):
    known = as_it_is("IC1002")
    moved = as_it_is("IC1003").replace("秘書室", "人事室").replace("資訊科", "人事室")
    moved = moved.replace("業務科", "人事室").replace(",在職", ",離職")
    lines = [known, moved, f"{OWN},資訊科,IC8001,方新進,,new@ismp.example,資訊人員,在職"]
    before = (Account.objects.count(), Event.objects.count())
    run = send(clerk, *lines)
    assert (run.state, run.source, run.dry_run) == (State.COMPLETED, Source.ROSTER, True)
    assert (run.total, run.created, run.updated, run.unchanged) == (3, 1, 1, 1)
    assert before == (Account.objects.count(), Event.objects.count())
    page = clerk.get(f"{MAP}runs/{run.pk}/").content.decode()
    assert "試匯入完成" in page and "復原" not in page
    rows = clerk.get(f"{MAP}runs/{run.pk}/rows/?which=updated").content.decode()
    assert "狀態「在職」改為「離職」" in rows and "IC8001" not in rows
    assert (
        "新增：示範市政府資訊中心 資訊科" in clerk.get(f"{MAP}runs/{run.pk}/rows/").content.decode()
    )
    answer = clerk.post(f"{MAP}runs/{run.pk}/commit/")
    real = ImportRun.objects.latest("pk")
    assert answer["Location"] == real.get_absolute_url()
    running.perform(real.pk)
    real.refresh_from_db()
    assert (real.source, real.created, real.updated, real.unchanged) == ("roster", 1, 1, 1)
    assert not Account.objects.get(username="IC1003").is_active
    assert Account.objects.get(username="IC8001").identities == "it"
    assert Event.objects.filter(verb="import_roster", actor="IC1001").count() == 1
    assert not real.can_be_undone


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{THEIRS},,IC8001,某人,,,,在職", "不是您的機關"),
        (f"{OWN},,EP1002,某人,,,,在職", "已經有其他機關使用"),
        (f"{OWN},,IC1004,某人,,,,離職", "請由平台管理者維護"),
        (f"{OWN},,IC1001,某人,,,,離職", "不能將自己的帳號改為離職"),
        (f"{OWN},,IC8001,某人,A123456780,,,在職", "檢查碼不對"),
        (f"{OWN},,IC8001,某人,{PERSON.national_id},,,在職", "已有在職帳號"),
        (f"{OWN},,IC8001,某人", "應該是 9 欄"),
    ],
    ids=["agency", "account", "role", "own", "number", "second", "fields"],
)
@pytest.mark.parametrize("mode", ["dry_run", "import"])
def test_one_line_at_fault_refuses_the_whole_and_says_which(clerk, account, line, says, mode):
    account("IC1004", "auditor")
    before = accounts()
    run = send(clerk, f"{OWN},資訊科,IC8000,方新進,,,,在職", line, mode=mode)
    assert run.state == State.REFUSED
    assert run.reason.startswith("第 3 列") and says in run.reason
    assert PERSON.national_id not in run.reason
    assert before == accounts()
    event = Event.objects.get(verb="import_roster", subject=f"run:{run.pk}")
    assert event.detail["state"] == "refused"


SEVERAL = (
    f"{OWN},資訊科,IC8000,方新進,,,,在職",
    f"{OWN},資訊科,,無帳號,,,,在職",
    f"{OWN},資訊科,IC8001,某人,A123456780,,,在職",
    f"{OWN},資訊科,IC8000,方新進,,,,在職",
    f"{OWN},資訊科,IC8003,某人,{PERSON.national_id},,,在職",
    f"{THEIRS},秘書室,IC8004,{PERSON.national_id},,,,在職,多一格",
    f"{THEIRS},秘書室,IC8005,某人,,,,在職",
    f"{OWN},資訊科,IC8006,{'長' * 101},,,,在職",
    f"{OWN},資訊科,IC8007,某人,,,工讀生,留停",
)
CODES = {
    3: "required",
    4: "id-invalid",
    5: "account-repeated",
    6: "second-account",
    7: "columns",
    8: "other-agency",
    9: "too-long",
    10: "status",
}
GUILTY = {
    3: ["公務帳號"],
    4: ["身分證字號"],
    5: ["公務帳號"],
    6: ["身分證字號"],
    7: [],
    8: ["機關代碼"],
    9: ["姓名"],
    10: ["狀態"],
}


@pytest.mark.parametrize("mode", ["dry_run", "import"])
def test_every_line_at_fault_is_reported_and_none_is_stored(clerk, mode):
    before = accounts()
    run = send(clerk, *SEVERAL, mode=mode)
    assert run.state == State.REFUSED and before == accounts()
    assert run.reason.startswith("第 3 列") and "另外還有 7 列要更正" in run.reason
    assert (run.total, run.rejected, run.created) == (8, 8, 0)
    assert {one["line"]: one["code"] for one in report.rejections(run)} == CODES
    assert run.reasons == dict.fromkeys(CODES.values(), 1)
    page = clerk.get(f"{MAP}runs/{run.pk}/").content.decode()
    assert "整檔退回" in page and "下載無法匯入資料" in page
    for code in CODES.values():
        reason = roster_checks.BY_CODE[code]
        assert reason.sentence in page and reason.remedy in page
    rows = clerk.get(f"{MAP}runs/{run.pk}/rows/?which=rejected").content.decode()
    assert rows.count("<tr>") == 1 + len(CODES)
    assert "與第 2 列重複" in rows and "請核對身分證字號" in rows and "IC8003" in rows
    one = clerk.get(f"{MAP}runs/{run.pk}/rows/?which=rejected&code=status").content.decode()
    assert one.count("<tr>") == 2 and "IC8007" in one
    for number in (PERSON.national_id, "A123456780"):
        assert number not in page + rows + str(list(ImportRun.objects.values()))


def test_the_workbook_of_a_refused_roster_names_and_marks_what_is_at_fault(clerk):
    run = send(clerk, *SEVERAL)
    answer = clerk.get(f"{MAP}runs/{run.pk}/report/")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.getvalue())).active
    head, *rows = sheet.iter_rows()
    titles = [cell.value for cell in head]
    assert titles == ["檔案列號", *HEAD.split(","), "代碼", "類別", "原因", "怎麼辦"]
    assert {row[0].value: row[10].value for row in rows} == CODES
    red = {
        row[0].value: [
            titles[cell.column - 1] for cell in row if cell.fill.fgColor.rgb[2:] == "FFD9D6"
        ]
        for row in rows
    }
    assert red == GUILTY
    by_line = {row[0].value: [cell.value for cell in row] for row in rows}
    assert by_line[4][6] == "A12345****" and by_line[7][9] == "在職，多一格"
    assert by_line[7][5] == f"{PERSON.national_id[:-4]}****"
    assert all(cells[12] and cells[13] for cells in by_line.values())


def test_the_command_names_the_line_and_how_many_more(city, tmp_path):
    file = tmp_path / "roster.csv"
    file.write_text("\n".join([HEAD, *SEVERAL]), "utf-8")
    with pytest.raises(CommandError, match=r"第 3 列.*另外還有 6 列") as error:
        call_command("import_roster", str(file))
    assert error.value.returncode == 2
    assert not Account.objects.filter(username="IC8000").exists()


def test_a_roster_cannot_be_undone_and_the_page_says_what_to_do_instead(clerk):
    run = send(clerk, f"{OWN},資訊科,IC8001,某人,,,,在職", mode="import")
    page = clerk.get(f"{MAP}runs/{run.pk}/").content.decode()
    assert "名冊不能整份復原" in page and "復原這次匯入" not in page
    for ask in (clerk.get, clerk.post):
        answer = ask(f"{MAP}runs/{run.pk}/undo/", follow=True)
        assert "名冊不能整份復原" in answer.content.decode()
    with pytest.raises(ActionRefused, match="名冊不能整份復原"):
        records.undo(run, by=Account.objects.get(username="IC1001"))
    assert Account.objects.get(username="IC8001").is_active


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "是空的"),
        (b"%PDF-1.7", "這是 PDF 檔.*CSV UTF-8"),
        (b"\xff\xff\xff", "編碼"),
        (b"a,b\n1,2\n", "第 1 列必須是標題"),
        (f'{HEAD}\n"x'.encode(), "引號不成對"),
    ],
)
def test_a_file_that_is_no_roster_is_refused_with_one_sentence(clerk, data, says):
    run = uploads.send(clerk, data, source="roster")
    assert run.state == State.REFUSED and re.search(says, run.reason), run.reason
    assert "入口網" not in run.reason
    assert "沒有明細" in clerk.get(f"{MAP}runs/{run.pk}/rows/").content.decode()


def test_an_empty_workbook_is_no_roster(clerk):
    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    run = uploads.send(clerk, buffer.getvalue(), source="roster")
    assert run.state == State.REFUSED and "是空的" in run.reason


@pytest.mark.parametrize("source", ["platform", "nonsense", "<script>"])
def test_a_kind_of_file_that_nobody_sends_is_not_taken(clerk, source):
    file = SimpleUploadedFile("a.csv", HEAD.encode())
    sent = {"source": source, "mode": "import", "file": file}
    assert clerk.post(f"{MAP}upload/", sent).status_code == 403
    run = ImportRun.objects.get()
    assert (run.state, run.source) == (State.REFUSED, Source.FILE)
    assert "檔案沒有收下" in run.reason


def test_the_platform_brings_in_every_agency_and_moves_people(client, account):
    client.force_login(account("IC1001", "platform_admin"))
    run = send(client, f"{THEIRS},秘書室,IC1002,某人,,,,在職", mode="import")
    assert (run.state, run.updated) == (State.COMPLETED, 1)
    assert Account.objects.get(username="IC1002").agency.code == "382990002Z"


def test_hours_and_rosters_keep_apart(clerk, import_bytes):
    hours = import_bytes(data(row()))["run"]
    roster = send(clerk, as_it_is("IC1002"))
    runs = clerk.get(f"{MAP}runs/").content.decode()
    assert f"runs/{hours.pk}/" in runs and f"runs/{roster.pk}/" not in runs
    assert "總筆數為 1 筆" in clerk.get(f"{MAP}agency-hours/").content.decode()
    own = clerk.get("/manage/accounts/roster/").content.decode()
    assert f"runs/{roster.pk}/" in own and f"runs/{hours.pk}/" not in own
    for which in ("rejected", "names"):
        assert clerk.get(f"{MAP}runs/{roster.pk}/rows/?which={which}&code=x").status_code == 200
    assert clerk.get(f"{MAP}runs/{roster.pk}/report/").status_code == 200
    assert report.as_json(roster)["rejections"] == []


def test_who_lost_her_right_meanwhile_brings_in_nothing(clerk, account):
    text = "\n".join([HEAD, f"{OWN},,IC8001,某人,,,,在職", ""]).encode()
    file = SimpleUploadedFile("名冊.csv", text)
    clerk.post(f"{MAP}upload/", {"source": "roster", "mode": "import", "file": file})
    account("IC1001", "staff")
    run = ImportRun.objects.get()
    running.perform(run.pk)
    run.refresh_from_db()
    assert (run.state, Account.objects.filter(username="IC8001").exists()) == ("refused", False)


def test_an_auditor_sees_a_roster_and_no_way_to_send_one(clerk, client, account):
    run = send(clerk, as_it_is("IC1002"))
    client.force_login(account("IC1001", "auditor"))
    for part in ("", "rows/"):
        page = client.get(f"{MAP}runs/{run.pk}/{part}").content.decode()
        assert "/manage/accounts/roster/" not in page and "正式匯入" not in page
        assert "匯入名冊" in page and "aria-current" not in page.split("<main")[0]
    assert client.post(f"{MAP}runs/{run.pk}/commit/").status_code == 403


def test_another_agencys_roster_does_not_exist(clerk, client, account):
    run = send(clerk, as_it_is("IC1002"))
    client.force_login(account("EP1001", "agency_admin"))
    assert client.get(f"{MAP}runs/{run.pk}/").status_code == 404
    assert f"runs/{run.pk}/" not in client.get("/manage/accounts/roster/").content.decode()
