"""Transfers between two agencies, and other identities that a person asks for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Agency, Grade
from ismp.applications.actions import asking, deciding
from ismp.applications.models import IdentityChange, State, Transfer
from ismp.audit.models import Event
from ismp.compliance.standing import explanation
from ismp.errors import ActionRefused
from ismp.reviews.queue import waiting_for
from ismp.ui.text.roc_dates import roc_date

pytestmark = pytest.mark.django_db
OWN = "/my/identities/"
HERE, THERE = "382990001Z", "382990002Z"


def today():
    return timezone.localdate()


def says(answer):
    return answer.content.decode()


def agency(code=HERE):
    return Agency.objects.get(code=code)


def queue(user):
    return {one.title: one for one in waiting_for(user)}


# --- 機關異動 ------------------------------------------------------------------------------------


def come(by, username="EP1002", **other):
    name = Account.objects.get(username=username).name
    asked = {"name": name, "department": None, "since": today(), "reason": "商調", **other}
    return asking.ask_for(username=username, **asked, by=by)


def go(by, username="IC1002", to=THERE):
    values = {"agency": agency(to), "since": today(), "reason": "調出"}
    return asking.give_away(username=username, **values, by=by)


def test_only_when_the_other_side_agrees_the_person_moves(client, clerk_of):
    client.force_login(clerk_of["here"])
    person = Account.objects.get(username="EP1002")
    asked = {"username": "ep1002", "name": person.name, "department": "資訊科"}
    asked |= {"since": roc_date(today()), "reason": "商調"}
    answer = client.post("/manage/transfers/coming/", asked)
    transfer = Transfer.objects.get()
    assert answer["Location"] == f"/manage/transfers/{transfer.pk}/"
    assert "撤回申請" in says(client.get(answer["Location"]))
    assert "審核這件申請" not in says(client.get(answer["Location"]))
    assert not queue(clerk_of["here"])
    with pytest.raises(ActionRefused, match="與您自己有關"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["here"])
    client.force_login(clerk_of["there"])
    address = f"/manage/reviews/transfer/{transfer.pk}/"
    page = says(client.get(address))
    for reported in (person.name, "資訊中心", "環境保護局", "列入的達標狀況", "整體"):
        assert reported in page
    client.post(address, {"decision": "approve", "comment": "同意"})
    person.refresh_from_db()
    assert (person.agency.code, person.department.name) == (HERE, "資訊科")
    assert person.notices.get().body == "意見：同意"
    assert clerk_of["here"].notices.get().link == f"/manage/transfers/{transfer.pk}/"
    assert Event.objects.filter(verb="assign").count() == 1


def test_the_page_shows_whose_light_turns_where_another_grade_holds(
    client, small, learned, clerk_of
):
    """A 資訊人員 owes hours of 523 in an A agency, and none in an E agency."""
    learned(small["IC1002"], 3)
    person = Account.objects.get(username="IC1002")
    accounts.assign(person, identities="it", since=today(), by="x")
    for code, grade in ((HERE, "A"), (THERE, "E")):
        accounts.grade(agency(code), Grade(grade), since=today(), by="x")
    transfer = go(clerk_of["here"])
    client.force_login(clerk_of["there"])
    page = says(client.get(f"/manage/reviews/transfer/{transfer.pk}/"))
    assert "未達標（0／3 小時）" in page
    assert "不列管" in page
    assert "整體由「未達標」變成「已達標」" in page
    deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["there"])
    assert {one.line.light for one in explanation.of_person(person)} == {"green"}


def test_giving_away_begins_on_the_page_of_an_account(client, clerk_of):
    client.force_login(clerk_of["here"])
    person = Account.objects.get(username="IC1002")
    address = "/manage/transfers/going/?username=IC1002"
    assert address in says(client.get(f"/manage/accounts/{person.pk}/"))
    assert 'value="IC1002"' in says(client.get(address))
    client.force_login(clerk_of["platform"])  # who moves people without asking
    assert address not in says(client.get(f"/manage/accounts/{person.pk}/"))


def test_giving_away_waits_for_the_agency_that_receives(clerk_of):
    transfer = go(clerk_of["here"])
    assert (transfer.way, transfer.agency.code) == ("調出", THERE)
    deciding.decide_transfer(transfer, accept=False, comment="沒有缺額", by=clerk_of["there"])
    assert Account.objects.get(username="IC1002").agency.code == HERE
    assert not Event.objects.filter(verb="assign").exists()
    later = go(clerk_of["here"])  # it can be asked anew
    deciding.decide_transfer(later, accept=True, comment="", by=clerk_of["there"])
    assert Account.objects.get(username="IC1002").agency.code == THERE


def test_a_transfer_that_cannot_be(client, account, clerk_of):
    here = clerk_of["here"]
    for wrong in ({"username": "EP1002", "name": "別人"}, {"username": "IC1003"}):
        with pytest.raises(ActionRefused, match="找不到這個公務帳號與姓名"):
            come(here, **wrong)
    with pytest.raises(ActionRefused, match="找不到"):
        come(here, username="EP1009")  # the person has left
    with pytest.raises(ActionRefused, match="本機關沒有"):
        go(here, username="EP1002")
    with pytest.raises(ActionRefused, match="不能為自己"):
        go(here, username="IC1001")
    with pytest.raises(ActionRefused, match="現在的機關"):
        go(here, to=HERE)
    with pytest.raises(ActionRefused, match="一年之內"):
        come(here, since=today() + timedelta(days=3_650))
    account("IC1003", "auditor")
    with pytest.raises(ActionRefused, match="平台管理者維護"):
        go(here, username="IC1003")
    assert not Transfer.objects.exists()
    come(here)
    with pytest.raises(ActionRefused, match="已有一件等候審核"):
        come(here)
    client.force_login(here)
    page = says(client.post("/manage/transfers/going/", {"username": "IC1004"}))
    assert "請選擇調往機關" in page
    assert "請填寫理由" in page


def test_who_has_left_meanwhile_does_not_move(clerk_of):
    transfer = come(clerk_of["here"])
    accounts.assign(transfer.account, status="left", since=today(), by="x")
    with pytest.raises(ActionRefused, match="不在原機關任職"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["there"])
    deciding.decide_transfer(transfer, accept=False, comment="已離職", by=clerk_of["there"])


def test_the_side_that_asked_may_take_it_back_and_no_other(client, clerk_of):
    transfer = come(clerk_of["here"])
    address = f"/manage/transfers/{transfer.pk}/withdraw/"
    client.force_login(clerk_of["there"])
    assert client.post(address).status_code == 404
    client.force_login(clerk_of["here"])
    client.post(address)
    assert Transfer.objects.get().state == State.WITHDRAWN
    assert "已經決定了" in says(client.post(address, follow=True))
    with pytest.raises(ActionRefused, match="已經有人決定過"):
        deciding.decide_transfer(transfer, accept=True, comment="", by=clerk_of["there"])


def test_a_third_agency_sees_no_transfer(client, account, clerk_of):
    transfer = come(clerk_of["here"])
    client.force_login(account("CU1002", "agency_admin"))
    assert client.get(f"/manage/transfers/{transfer.pk}/").status_code == 404
    assert client.get(f"/manage/reviews/transfer/{transfer.pk}/").status_code == 404


# --- 資安列管身分變更 ----------------------------------------------------------------------------


def ask(by, identities="security", **other):
    values = {"identities": identities, "since": today(), "reason": "職務調整", **other}
    return asking.ask_for_identities(**values, by=by)


def test_a_person_asks_and_her_administrator_decides(client, small, learned, account, clerk_of):
    learned(small["IC1002"], 3)
    person = account("IC1002")
    client.force_login(person)
    assert OWN in says(client.get("/my/hours/"))
    asked = {"identities": ["security"], "since": roc_date(today()), "reason": "調任資安"}
    assert client.post(OWN, asked)["Location"] == OWN
    change = IdentityChange.objects.get()
    assert "撤回申請" in says(client.get(OWN))
    client.force_login(clerk_of["here"])
    address = f"/manage/reviews/identities/{change.pk}/"
    page = says(client.get(address))
    assert "已達標（3／3 小時）" in page
    assert "未達標（0／12 小時）" in page
    assert "整體由「已達標」變成「未達標」" in page
    client.post(address, {"decision": "approve", "comment": "同意"})
    person.refresh_from_db()
    assert person.identities == "security"
    notice = person.notices.get()
    assert (notice.subject, notice.link) == ("資安列管身分變更申請：核可", OWN)
    client.force_login(person)
    page = says(client.get(OWN))
    assert "資安專職人員" in page
    assert "同意" in page


def test_what_cannot_be_asked(client, account):
    person = account("IC1002")
    with pytest.raises(ActionRefused, match="和現在相同"):
        ask(person, person.identities)
    with pytest.raises(ActionRefused, match="一年之內"):
        ask(person, "security+it", since=today() - timedelta(days=4_000))
    ask(person, "security+it")
    with pytest.raises(ActionRefused, match="已有一件等候審核"):
        ask(person, "it+general")
    client.force_login(person)
    client.post(f"{OWN}withdraw/")
    client.post(f"{OWN}withdraw/")  # a second click does nothing
    assert IdentityChange.objects.get().state == State.WITHDRAWN
    assert "日期請寫成" in says(client.post(OWN, {"identities": ["it"], "since": "?"}))


def test_nobody_decides_for_herself_nor_for_those_above_her(account, clerk_of):
    here = clerk_of["here"]
    own = ask(here, "security+it+general")
    with pytest.raises(ActionRefused, match="與您自己有關"):
        deciding.decide_identities(own, accept=True, comment="", by=here)
    above = ask(account("IC1002", "auditor"), "security+it+general")
    assert str(above.account) not in "".join(queue(here))
    with pytest.raises(ActionRefused, match="不是由您決定"):
        deciding.decide_identities(above, accept=True, comment="", by=here)
    for one in (own, above):
        deciding.decide_identities(one, accept=True, comment="", by=clerk_of["platform"])
