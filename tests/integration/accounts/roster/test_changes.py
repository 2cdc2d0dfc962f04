"""Changes by a roster, the reading of its cells, and the event of each account."""

import pytest
from django.core.management import call_command

from ismp.accounts import national_id
from ismp.accounts.actions import postings
from ismp.accounts.models import Account, Agency, Department, Posting
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.imports.models import State
from ismp.ui.reading import faults
from tests.support import uploads
from tests.support.rosters import HEAD, NEW, OWN, A, B, line_of, take

pytestmark = pytest.mark.django_db


def refused(*lines, **more):
    with pytest.raises(faults.FileRejected) as refusal:
        take(*lines, **more)
    return str(refusal.value)


def everything():
    kept = ("username", "name", "agency__code", "department__name", "email", "identities", "status")
    accounts = Account.objects.order_by("username").values_list(*kept, "role", "id_hash")
    return [[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in accounts]


def counts():
    return Agency.objects.count(), Department.objects.count(), Event.objects.count()


# --- What its sender may change --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("{name}", "甲管理者新名"), "姓名"),
        (("{identity}", "資訊人員、資安專職人員"), "資安列管身分"),
        (("ic1001@ismp.example", "other@ismp.example"), "電子郵件"),
        (("{department}", "新的科"), "部門"),
        (("{number}", A), "身分證字號"),
        (("{number}", ""), "身分證字號"),
    ],
)
@pytest.mark.parametrize("role", ["agency_admin", "platform_admin"])
def test_ones_own_line_may_only_be_unchanged(clerk, city, role, change, says):
    Account.objects.filter(username="IC1001").update(role=role)
    old, new = change
    person = next(one for one in city if one.username == "IC1001")
    values = {"name": person.name, "identity": person.identity}
    values |= {"department": person.department, "number": person.national_id}
    own = line_of("IC1001", city)
    before = everything(), counts()[:2]
    text = "\n".join([HEAD, own.replace(old.format(**values), new)])
    run = uploads.send(clerk, text.encode(), source="roster")
    assert run.state == State.REFUSED
    assert "第 2 列：不能用名冊變更自己的帳號" in run.reason and says in run.reason
    assert before == (everything(), counts()[:2])
    run = uploads.send(clerk, "\n".join([HEAD, own]).encode(), source="roster")
    assert (run.state, run.unchanged) == (State.COMPLETED, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("ep1002@ismp.example", "mine@ismp.example"), "不能用名冊變更自己的帳號"),
        ((",在職", ",離職"), "不能將自己的帳號改為離職"),
    ],
)
def test_the_senders_other_accounts_are_her_own_too(clerk, city, change, code):
    """As on the page: whoever has the sender's national ID is perhaps the sender."""
    sender = Account.objects.get(username="IC1001")
    Account.objects.filter(username="IC1001").update(role="platform_admin")
    Account.objects.filter(username="EP1002").update(id_hash=sender.id_hash)
    line = line_of("EP1002", city)
    person = next(one for one in city if one.username == "EP1002")
    number = next(one for one in city if one.username == "IC1001").national_id
    line = line.replace(person.national_id, number)
    run = uploads.send(clerk, "\n".join([HEAD, line]).encode(), source="roster")
    assert (run.state, run.unchanged) == (State.COMPLETED, 1)
    run = uploads.send(clerk, "\n".join([HEAD, line.replace(*change)]).encode(), source="roster")
    assert run.state == State.REFUSED and code in run.reason
    Account.objects.filter(username="EP1002").update(status="left")
    run = uploads.send(
        clerk, "\n".join([HEAD, line.replace("在職", "離職")]).encode(), source="roster"
    )
    assert (run.state, run.unchanged) == (State.COMPLETED, 1)


def test_an_agency_is_not_known_by_a_national_id(db):
    """Two columns that were swapped would store it in clear, in the trail too."""
    number = national_id.complete("B22987000")
    for code in (number, number.lower(), f"{number[0]} {number[1:]}"):
        said = refused(f"{code},新的機關,,XX1001,某人,,,一般使用者及主管,在職")
        assert "身分證字號寫在別的欄位" in said and number not in said
    assert counts() == (0, 0, 0)


def test_each_account_has_an_event_of_its_own_that_names_what_changed(clerk, city):
    number = next(one.national_id for one in city if one.username == "IC1003")
    changed = line_of("IC1002", city).replace("ic1002@", "x1002@")
    other = line_of("IC1003", city).replace(number, A)
    new = f"{OWN},資訊科,IC8001,方新進,{B},new@ismp.example,資訊人員,在職"
    same = line_of("IC1004", city)
    Event.objects.all().delete()
    trail.ChainHead.objects.all().delete()
    run = uploads.send(
        clerk, "\n".join([HEAD, changed, other, new, same]).encode(), source="roster"
    )
    assert (run.state, run.created, run.updated, run.unchanged) == ("completed", 1, 2, 1)
    events = Event.objects.exclude(subject="").order_by("number")
    kept = events.values_list("verb", "actor", "agency", "subject", "detail")
    hidden = "（不顯示）"
    assert [one for one in kept if one[3].startswith("account:")] == [
        (
            "change_by_roster",
            "IC1001",
            "382990001Z",
            "account:IC1002",
            {"line": 2, "changes": [["電子郵件", "ic1002@ismp.example", "x1002@ismp.example"]]},
        ),
        (
            "change_by_roster",
            "IC1001",
            "382990001Z",
            "account:IC1003",
            {"line": 3, "changes": [["身分證字號", hidden, hidden]]},
        ),
        (
            "create_by_roster",
            "IC1001",
            "382990001Z",
            "account:IC8001",
            {"line": 4, "identities": "it"},
        ),
    ]
    assert list(trail.faults()) == []
    everything_recorded = str(list(Event.objects.values()))
    assert (
        number not in everything_recorded
        and A not in everything_recorded
        and B not in everything_recorded
    )
    account = Account.objects.get(username="IC1002")
    history = clerk.get(f"/manage/accounts/{account.pk}/history/").content.decode()
    assert "名冊變更帳號" in history
    assert "電子郵件 ic1002@ismp.example → x1002@ismp.example" in history


def test_the_command_leaves_the_events_of_the_system(city, tmp_path):
    moved = line_of("IC1002", city).replace(OWN, "382990002Z,示範市政府環境保護局")
    Account.objects.filter(username="IC1002").update(role="agency_admin")
    file = tmp_path / "roster.csv"
    file.write_text("\n".join([HEAD, moved]), "utf-8")
    call_command("import_roster", str(file))
    event = Event.objects.get(verb="change_by_roster", subject="account:IC1002")
    assert event.actor == trail.SYSTEM
    titles = [title for title, *_ in event.detail["changes"]]
    assert titles[:2] == ["機關", "角色"]
    assert ["角色", "機關管理者", "同仁"] in event.detail["changes"]


# --- Agencies ------------------------------------------------------------------------------------


def test_one_code_with_two_names_is_refused_with_the_line(db):
    message = refused(f"{NEW},,TB0000,甲,,,,在職", f"{NEW}(誤),,TB0001,乙,,,,在職")
    assert (
        "第 3 列" in message
        and "兩個機關名稱" in message
        and "第 2 列是「新北市測試甲局」" in message
    )
    assert not Account.objects.exists() and not Agency.objects.exists()


@pytest.mark.parametrize("role", [None, "agency_admin", "platform_admin"])
def test_no_roster_renames_an_agency(account, role, city):
    sender = account("IC1001", role) if role else None
    message = refused(f"{OWN}(誤),,IC8001,某人,,,,在職", sender=sender)
    assert "第 2 列" in message and "登錄的名稱是「示範市政府資訊中心」" in message
    assert Agency.objects.get(code="382990001Z").name == "示範市政府資訊中心"


@pytest.mark.parametrize(
    "code", ["382990001z", "３８２９９０００１Ｚ", '"=""382990001Z"""', "382990001Z\u200b"]
)
def test_a_code_written_otherwise_is_the_same_agency(city, code):
    line = line_of("IC1002", city).replace("382990001Z", code)
    before = everything(), counts()
    assert take(line).unchanged == 1
    assert before == (everything(), counts())


def test_a_name_written_in_another_width_is_no_other_name(city):
    line = line_of("IC1002", city).replace("示範市政府資訊中心", " 示範市政府\u3000資訊中心 ")
    assert take(line).unchanged == 1


def test_a_code_that_is_new_makes_one_agency(db):
    take(f"{NEW},,TB0000,甲,,,,在職", f"{NEW},,TB0001,乙,,,,在職".replace("100A", "100a"))
    agency = Agency.objects.get()
    assert (agency.code, agency.accounts.count()) == ("382990100A", 2)
    assert set(Posting.objects.values_list("since", flat=True)) == {Posting.UNKNOWN}


# --- Cells ---------------------------------------------------------------------------------------


def test_excels_guard_is_taken_off_every_cell(db):
    cells = ["382990100A", "新北市測試甲局", "資訊科", "TB0000", "測試一", A]
    cells += ["tb0@example.gov.tw", "資訊人員", "在職"]
    take(",".join(f'"=""{cell}"""' for cell in cells))
    account = Account.objects.get()
    assert (account.agency.code, account.agency.name) == (cells[0], cells[1])
    assert (account.username, account.name, account.email) == ("TB0000", "測試一", cells[6])
    assert (account.department.name, account.national_id) == ("資訊科", A)
    assert take(",".join(cells)).unchanged == 1


@pytest.mark.parametrize(
    "address",
    ["無", "a@example.tw;b@example.tw", '"x@example.tw\r\nBcc: y@example.tw"', "a@b", "-"],
)
def test_an_address_that_is_none_is_refused_with_the_line(db, address):
    message = refused(
        f"{NEW},,TB0000,甲,,ok@example.tw,,在職", f"{NEW},,TB0001,乙,,{address},,在職"
    )
    assert "第 3 列：電子郵件不是一個電子郵件地址" in message
    assert not Account.objects.exists()


def test_names_are_one_line_and_keys_have_no_invisible_characters(db):
    take(
        f'{NEW},"資訊\u200b科",ＴＢ００００\u200b,"測試\n一",,ａ@example.tw,一般使用者及主管\u200b,在職\u00a0'
    )
    account = Account.objects.get()
    assert (account.username, account.name, account.email) == ("TB0000", "測試 一", "a@example.tw")
    assert account.department.name == "資訊科"
    assert take(f"{NEW},資訊科,tb0000,測試 一,,a@example.tw,,在職").unchanged == 1


def test_a_department_is_found_by_its_path_and_in_any_width(city):
    agency = Agency.objects.get(code="382990001Z")
    above = agency.departments.get(name="資訊科")
    Department.objects.create(agency=agency, name="Ａ股", parent=above, path="資訊科 / Ａ股")
    count = Department.objects.count()
    take(
        *(
            f"{OWN},{name},IC80{n},某人,,,,在職"
            for n, name in enumerate(["A股", "資訊科 / A股", "Ａ股"])
        )
    )
    assert Department.objects.count() == count
    assert Account.objects.filter(department__name="Ａ股").count() == 3


# --- Columns and lines ---------------------------------------------------------------------------


def test_a_column_that_is_not_there_is_untouched(clerk, city):
    short = "公務帳號,姓名,狀態,機關代碼,機關名稱"
    before = everything()
    rows = [line_of(name, city).split(",") for name in ("IC1002", "IC1003")]
    lines = [",".join([row[3], row[4], row[8], row[0], row[1]]) for row in rows]
    run = uploads.send(clerk, "\n".join([short, *lines]).encode(), source="roster")
    assert (run.state, run.unchanged) == (State.COMPLETED, 2)
    assert before == everything()
    assert run.notes["absent"] == ["部門", "身分證字號", "電子郵件", "資安列管身分"]
    page = clerk.get(run.get_absolute_url()).content.decode()
    assert "檔案裡沒有這些欄位，原來的內容都沒有動：部門、身分證字號" in page


def test_a_column_that_is_not_ours_is_named(clerk, city):
    text = "\n".join([f"{HEAD},備註", f"{line_of('IC1002', city)},看不懂"])
    run = uploads.send(clerk, text.encode(), source="roster")
    assert (run.state, run.unchanged, run.notes["ignored"]) == (State.COMPLETED, 1, ["備註"])


@pytest.mark.parametrize(
    "write",
    [
        lambda text: "\r\n".join(f"{line},," for line in text.splitlines()).encode("utf-8-sig"),
        lambda text: text.replace(",", ";").encode("utf-8-sig"),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(),
        lambda text: text.replace("\r\n", "\r").encode(),
        lambda text: ("人員名冊,,\r\n製表日期,115-11-28\r\n" + text).encode(),
        lambda text: text.encode("cp950"),
        lambda text: (text + "\x1a").encode(),
        lambda text: text.replace("部門,", "*部 門,").replace("公務帳號", '"公務\n帳號"').encode(),
        lambda text: text.replace("身分證字號", "身份證字號").encode(),
    ],
    ids=[
        "blank columns",
        "semicolon",
        "tab",
        "sep",
        "cr",
        "above",
        "big5",
        "ctrl-z",
        "titles",
        "alias",
    ],
)
def test_a_roster_is_read_however_it_was_written(city, write):
    in_big5 = [one for one in city if one.name.encode("cp950", "replace").count(b"?") == 0]
    text = "\r\n".join([HEAD, *(line_of(one.username, city) for one in in_big5[:3]), ""])
    before = everything(), counts()
    result = postings.import_roster(write(text), by="test")
    assert (result.created, result.updated, result.unchanged) == (0, 0, 3)
    assert before == (everything(), counts())


def test_cells_that_excel_leaves_out_at_the_end_are_blank(db):
    head = "狀態,機關代碼,機關名稱,公務帳號,姓名,部門,電子郵件"
    take("在職,382990100A,新北市測試甲局,TB0000,測試一", head=head)
    assert Account.objects.get().email == ""
    assert "有 4 欄，應該是 7 欄" in refused("在職,382990100A,新北市測試甲局,TB0001", head=head)


def test_lines_are_numbered_as_excel_numbers_them(city):
    bad = f"{OWN},,IC8001,某人,,,,留停"
    quoted = f'{OWN},,IC8000,"某\n人",,,,在職'
    assert refused(bad, head=f"\n名冊\n{HEAD}").startswith("第 4 列")
    assert refused(quoted, ",,,,,,,,", "", bad).startswith("第 5 列")
    assert refused(quoted, f'{OWN},,IC8001,"某人').startswith("第 3 列的引號不成對")


# --- Whole ---------------------------------------------------------------------------------------


def test_people_who_swap_numbers_and_places_do_not_clash(city):
    one, two = (next(p for p in city if p.username == name) for name in ("IC1002", "IC1003"))
    first = line_of("IC1002", city).replace(one.national_id, two.national_id)
    second = line_of("IC1003", city).replace(two.national_id, one.national_id)
    assert take(first, second).updated == 2
    assert Account.objects.get(username="IC1002").national_id == two.national_id
    assert take(first, second).unchanged == 2


def test_what_a_line_does_not_change_is_not_written(city, django_assert_max_num_queries):
    lines = [line_of(f"IC10{n:02d}", city).replace("@ismp", "@new") for n in range(2, 9)]
    before = dict(Account.objects.values_list("pk", "password"))
    with django_assert_max_num_queries(40):
        take(*lines)
    assert dict(Account.objects.values_list("pk", "password")) == before
    assert Account.objects.filter(email__endswith="@new.example").count() == 7
