"""Separation of duties: nobody decides for himself, under whatever account, through whomever."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ismp.accounts import separation
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Account, AccountControl
from ismp.accounts.roles import Role
from ismp.applications.actions import delegating
from ismp.audit.models import Event
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.models import Attendance, Course, Session, SignUp, Standing, Way
from ismp.errors import ActionRefused
from ismp.external_hours.models import ExternalClaim
from ismp.hours.models import Record
from ismp.reviews.queue import waiting_for
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Subject
from ismp.security.models import Decision, Incident
from ismp.ui.text.roc_dates import roc_date
from tests.support.accounts import account_named
from tests.support.courses import end_now
from tests.support.things import claim_of, of_security

pytestmark = pytest.mark.django_db
SMALL = {Aspect.INTEGRITY: Answer(Subject.NON_CORE)}
BATCH = "/manage/reviews/batch/"


def says(answer):
    return answer.content.decode()


def signed_in(person):
    browser = Client()
    browser.force_login(person)
    return browser


@pytest.fixture
def admin(account):
    return account("IC1001", "agency_admin")


@pytest.fixture
def second(account):
    return account("IC1002", "agency_admin")


@pytest.fixture
def platform(account):
    return account("EP1001", "platform_admin")


def later(time_machine, **how):
    moment = timezone.now() + timedelta(**how)
    time_machine.move_to(moment)


# --- Who is barred for whom ----------------------------------------------------------------------


def test_everybody_is_barred_for_the_own_accounts_confirmed_or_not(account, admin):
    elsewhere = account("EP1002")
    Account.objects.filter(pk=elsewhere.pk).update(id_hash=admin.id_hash)
    assert separation.conflicts(admin) == {admin.pk, elsewhere.pk}
    assert separation.conflicts(elsewhere) == {admin.pk, elsewhere.pk}


def test_who_parts_from_a_number_is_still_barred_for_it(account, admin, platform):
    elsewhere = account("EP1002")
    Account.objects.filter(pk=elsewhere.pk).update(id_hash=admin.id_hash)
    account_actions.set_national_id([account_named("EP1002")], number="", by=platform)
    assert separation.conflicts(admin) == {admin.pk, elsewhere.pk}
    assert separation.conflicts(account_named("EP1002")) == {admin.pk, elsewhere.pk}


@pytest.mark.parametrize("how", ["role", "email", "number", "made"])
def test_control_of_an_account_bars_it_for_thirty_days(how, admin, second, time_machine):
    other = second
    if how == "role":
        postings.appoint(second, Role.AGENCY_ADMIN, by=admin.username)
    elif how == "email":
        second.email = "other@ismp.example"
        account_actions.save_account(second, by=admin)
    elif how == "number":  # neither a credential nor a role
        account_actions.set_national_id([second], number="", by=admin)
    else:
        made = Account(agency=admin.agency, username="ghost1", name="隨便", identities="general")
        other = account_actions.save_account(made, by=admin)
    barred = {other.pk} if how == "number" else {other.pk, admin.pk}
    assert separation.conflicts(other) >= barred
    assert (admin.pk in separation.conflicts(other)) is (how != "number")
    assert other.pk not in separation.conflicts(admin)  # who keeps accounts goes on deciding
    later(time_machine, days=31)
    assert admin.pk not in separation.conflicts(other)


def test_control_reaches_through_a_third_account(account, admin):
    ghost, puppet = account("IC1003", "agency_admin"), account("IC1004", "agency_admin")
    postings.appoint(ghost, Role.AGENCY_ADMIN, by=admin.username)
    postings.appoint(puppet, Role.AGENCY_ADMIN, by=ghost.username)
    assert admin.pk in separation.conflicts(puppet)


def test_a_roster_gives_control_as_a_form_does(admin):
    from ismp.accounts import demo_data

    own = [one for one in demo_data.city() if one.agency_code == admin.agency.code][:3]
    lines = demo_data.roster_csv(own).replace("ic1002@", "mine@").splitlines()
    lines = [line for line in lines if not line.startswith("382990001Z") or "IC1001" not in line]
    new = "382990001Z,示範市政府資訊中心,,ghost1,隨便,,g@x.tw,一般使用者及主管,在職"
    postings.import_roster("\n".join([*lines, new]).encode(), sender=admin, by=admin.username)
    found = AccountControl.objects.values_list("account__username", "kind", "by__username")
    assert set(found) == {("IC1002", "email", "IC1001"), ("ghost1", "created", "IC1001")}


def test_the_commands_of_the_operator_are_nobodys_control(second):
    postings.appoint(second, Role.AGENCY_ADMIN, by="（系統）")
    assert not AccountControl.objects.exists()


def test_the_sentence_names_who_can(account, admin, second, platform):
    claim = claim_of(admin)
    with pytest.raises(ActionRefused) as refused:
        separation.refuse_own(admin, [claim.account], agency=admin.agency)
    assert f"{second.name}（IC1002）" in str(refused.value)
    assert f"平台管理者{platform.name}（EP1001）" in str(refused.value)
    postings.appoint(second, Role.AGENCY_ADMIN, by=admin.username)
    with pytest.raises(ActionRefused) as refused:  # the second is his puppet
        separation.refuse_own(second, [claim.account], agency=admin.agency)
    assert "IC1002" not in str(refused.value) and "EP1001" in str(refused.value)
    account("EP1001", "staff")
    with pytest.raises(ActionRefused, match="請先指派另一位管理者"):
        separation.refuse_own(admin, [claim.account], agency=admin.agency)


# --- Classes -------------------------------------------------------------------------------------


def test_own_place_presence_score_and_hours_are_entered_by_somebody_else(
    things, admin, second, client
):
    """An administrator's class of his own, as it was done: put in, marked, graded, finished."""
    session = Session.objects.get()
    own = SignUp.objects.get(session=session, account=admin)
    meeting = session.meetings.get()
    here = f"/courses/teaching/sessions/{session.pk}/"
    SignUp.objects.filter(pk=own.pk).update(standing=Standing.CANCELLED)
    Session.objects.update(taken=0)
    client.force_login(admin)
    put_in = {"ids": session.pk, "confirmed": "1", "whom": "list", "usernames": "IC1001"}
    assert "與您自己有關" in says(client.post("/manage/sessions/put_in/", put_in))
    assert SignUp.objects.get(pk=own.pk).standing == Standing.CANCELLED
    signed_in(second).post("/manage/sessions/put_in/", put_in)
    assert SignUp.objects.get(pk=own.pk).standing == Standing.ENROLLED

    typed = {f"meeting-{meeting.pk}": own.pk, f"score-{own.pk}": "100"}
    assert "與您自己有關" in says(client.post(here, typed, follow=True))
    for what, text in ((str(meeting.pk), "IC1001\n"), ("scores", "IC1001,100\n")):
        sheet = SimpleUploadedFile("a.csv", text.encode())
        assert "與您自己有關" in says(
            client.post(f"{here}file/", {"what": what, "file": sheet}, follow=True)
        )
    code = attendance.code_of(meeting, shown_by=admin)
    page = says(client.get(f"/courses/meetings/{meeting.pk}/attend/{code}/", follow=True))
    assert "與您自己有關" in page and 'name="ticket"' not in page
    own.refresh_from_db()
    assert own.score is None and not Attendance.objects.exists()

    page = says(client.get(here))
    assert "由別人登錄" in page and f'name="score-{own.pk}"' not in page
    signed_in(second).post(here, typed)
    client.post(here, {})  # a colleague's marks stay, whatever the teacher sends
    end_now(meeting)
    assert "與您自己有關" in says(client.post(f"{here}finish/", follow=True))
    assert not Record.objects.live().filter(account=admin).exists()
    assert Attendance.objects.get().by == "IC1002"
    signed_in(second).post(f"{here}finish/")
    assert Record.objects.live().get(account=admin, title="社交工程演練").hours == 3000


def test_a_session_in_which_the_finisher_only_has_a_place_is_finished_by_her(things, admin):
    session = Session.objects.get()
    end_now(session.meetings.get())
    assert attendance.finish(session, by=admin).given == 0


def test_who_shows_the_code_does_not_scan_it_but_others_of_the_office_do(
    things, admin, second, time_machine
):
    meeting = Session.objects.get().meetings.get()
    time_machine.move_to(meeting.starts_at)  # which may be tomorrow, late in the evening
    code = attendance.code_of(meeting, shown_by=second)
    ticket = attendance.scanned(meeting, code, admin)
    assert attendance.attend(meeting, ticket, by=admin).by == "IC1001"


@pytest.fixture
def asking(things, admin, account):
    """A session for which the administrator and a colleague ask; returns it."""
    Session.objects.update(needs_approval=True, taken=0)
    SignUp.objects.all().delete()
    session = Session.objects.get()
    for one in (admin, account("IC1003")):
        classes.sign_up(session, one, by=one)
    return session


def test_own_sign_up_waits_while_she_lets_the_others_in(asking, admin, second, client):
    client.force_login(admin)
    ids = {"ids": f"sign_up-{asking.pk}", "decision": "approve", "confirmed": "1"}
    client.post(BATCH, ids)
    standings = dict(asking.sign_ups.values_list("account__username", "standing"))
    assert standings == {"IC1001": "applied", "IC1003": "enrolled"}
    assert not [one for one in waiting_for(admin) if one.thing == asking]
    client.post(BATCH, ids)
    client.post(f"/manage/reviews/sign_up/{asking.pk}/", {"decision": "approve"})
    own = asking.sign_ups.get(account=admin)
    for action in ("approve", "refuse"):
        answer = client.post(f"/manage/sign-ups/{action}/", {"ids": own.pk, "confirmed": "1"})
        assert "與您自己有關" in says(answer)
    assert asking.sign_ups.get(account=admin).standing == Standing.APPLIED
    signed_in(second).post(f"/manage/reviews/sign_up/{asking.pk}/", {"decision": "approve"})
    assert asking.sign_ups.get(account=admin).standing == Standing.ENROLLED


def test_a_list_that_holds_oneself_lets_nobody_in(things, admin, account):
    session = Session.objects.get()
    SignUp.objects.all().delete()
    with pytest.raises(ActionRefused, match="與您自己有關"):
        classes.sign_up(session, admin, way=Way.LIST, by=admin)
    assert Course.objects.exists() and not SignUp.objects.exists()


# --- Incidents, exceptions, claims ---------------------------------------------------------------


def test_who_reported_or_handled_an_incident_neither_reviews_nor_closes_it(
    admin, platform, account
):
    """One platform administrator in their own agency: report, review, recover, finish, close."""
    incident = incident_actions.open_incident(
        agency=platform.agency,
        title="x",
        description="x",
        answers=SMALL,
        known_at=timezone.now(),
        by=platform,
    )
    incident = incident_actions.report(incident, by=platform)
    other = account("CU1001", "platform_admin")
    assert not [one for one in waiting_for(platform) if "審核" in one.kind]
    assert [one.kind for one in waiting_for(other)] == ["資安事件：審核"]
    page = signed_in(platform).post(
        f"/incidents/{incident.pk}/review/", {"accept": "1", "text": ""}, follow=True
    )
    assert f"與您自己有關，不能由您決定；請由平台管理者{other.name}（CU1001）辦理" in says(page)
    assert Incident.objects.get().state == "reported"
    incident = incident_actions.review(incident, accept=True, comment="", by=other)
    incident = incident_actions.recover(incident, at=timezone.now(), text="", by=platform)
    with pytest.raises(ActionRefused, match="與您自己有關"):
        incident_actions.extend(
            incident, to=timezone.now() + timedelta(days=9), reason="x", by=platform
        )
    incident = incident_actions.finish(incident, "改善", by=platform)
    with pytest.raises(ActionRefused, match="與您自己有關"):
        incident_actions.close(incident, accept=True, comment="x", by=platform)
    assert incident_actions.close(incident, accept=True, comment="x", by=other).state == "closed"


def test_who_judged_the_impact_of_a_draft_does_not_review_it(admin, platform, account):
    incident = incident_actions.open_incident(
        agency=admin.agency,
        title="x",
        description="x",
        answers={},
        known_at=timezone.now(),
        by=admin,
    )
    incident = incident_actions.change_level(incident, SMALL, on_behalf="代為評估", by=platform)
    incident = incident_actions.report(incident, by=admin)
    with pytest.raises(ActionRefused, match="與您自己有關"):
        incident_actions.review(incident, accept=True, comment="", by=platform)
    incident_actions.review(
        incident, accept=True, comment="", by=account("CU1001", "platform_admin")
    )


@pytest.mark.parametrize("kind", ["claim", "exception"])
def test_an_account_decides_nothing_of_who_gave_it_its_role(kind, admin, second, account):
    """Neither on the page, nor many at once, nor in the module, nor through a delegate."""
    of_security(admin)
    claim = claim_of(admin)
    puppet = account("IC1003", "agency_admin")
    postings.appoint(puppet, Role.AGENCY_ADMIN, by=admin.username)
    thing = claim if kind == "claim" else Decision.objects.get()
    key = f"{kind}-{thing.pk}"
    today = timezone.localdate()
    delegating.delegate(username="IC1004", since=today, until=today, by=puppet)
    for person in (puppet, account("IC1004")):
        assert key not in [one.key for one in waiting_for(person)]
        browser = signed_in(person)
        decide = {"decision": "approve", "comment": "好"}
        assert browser.post(f"/manage/reviews/{kind}/{thing.pk}/", decide).status_code == 404
        browser.post(BATCH, {"ids": key, "confirmed": "1", **decide})
    there = "learning-map/claims" if kind == "claim" else "decisions"
    typed = {"ids": thing.pk, "confirmed": "1", "category": "522", "given": "3", "comment": "好"}
    answer = signed_in(puppet).post(f"/manage/{there}/approve/", typed)
    assert f"{admin.name}在 30 天內" in says(answer) and "IC1002" in says(answer)
    thing.refresh_from_db()
    assert thing.state == "pending" and ExternalClaim.objects.get().decided_by is None
    signed_in(second).post(f"/manage/reviews/{kind}/{thing.pk}/", {"decision": "approve"})
    thing.refresh_from_db()
    assert thing.state == "approved"


# --- In an agency's place ------------------------------------------------------------------------


def _level_of(answers):
    every = {f"{aspect}_subject": "none" for aspect in Aspect}
    every |= {f"{aspect}_harm": "slight" for aspect in Aspect}
    return every | {f"{aspect}_subject": one.subject.value for aspect, one in answers.items()}


def step(person, incident, name, **typed):
    return says(signed_in(person).post(f"/incidents/{incident.pk}/{name}/", typed, follow=True))


def test_who_handles_an_incident_in_an_agencys_place_says_so(admin, platform, account):
    """Without the tick and a reason nothing happens; with them it stands on the page and in the
    trail; the platform's own steps ask nothing."""
    incident = incident_actions.open_incident(
        agency=admin.agency,
        title="x",
        description="x",
        answers=SMALL,
        known_at=timezone.now(),
        by=admin,
    )
    ticked = {"on_behalf": "on", "on_behalf_because": "機關斷網"}
    level = {"confidentiality_subject": "none", "confidentiality_harm": "slight"}
    steps = {"report": {}, "note": {"text": "已隔離"}, "level": level, "withdraw": {"text": "x"}}
    for name, typed in steps.items():
        for wrong in ({}, {"on_behalf": "on"}, {"on_behalf_because": "x"}):
            step(platform, incident, name, **typed, **wrong)
    today = timezone.localtime()
    known = {"day": roc_date(today.date()), "clock": "00:00"}
    edited = {"title": "改名", "description": "x", **known, **_level_of(SMALL)}
    page = signed_in(platform).post(f"/incidents/{incident.pk}/edit/", edited, follow=True)
    assert f"代{admin.agency}辦理" in says(page)
    assert incident.timeline.count() == 1 and Incident.objects.get().state == "draft"
    assert Incident.objects.get().title == "x"
    signed_in(platform).post(f"/incidents/{incident.pk}/edit/", {**edited, **ticked})
    assert Incident.objects.get().title == "改名"
    assert f"代{admin.agency}辦理" in step(platform, incident, "report")
    step(platform, incident, "report", **ticked)
    assert Incident.objects.get().state == "reported"
    page = says(signed_in(admin).get(f"/incidents/{incident.pk}/"))
    assert f"（代{admin.agency}：機關斷網）" in page and "on_behalf" not in page
    event = Event.objects.filter(verb="incident").latest("number")
    assert (event.detail["on_behalf_of"], event.detail["because"]) == (
        admin.agency.name,
        "機關斷網",
    )
    auditor = signed_in(account("CU1003", "auditor"))
    assert f"代 {admin.agency.name}" in says(auditor.get("/manage/trail/"))
    other = account("CU1001", "platform_admin")
    step(other, incident, "review", accept="1", text="")
    assert Incident.objects.get().state == "handling"
    for name, typed in (("recover", {"text": "x"}), ("finish", {"text": "x"})):
        step(other, incident, name, **typed)
    assert Incident.objects.get().state == "handling"
    step(admin, incident, "recover", text="x")
    assert Incident.objects.get().state == "recovered"


def test_who_decides_on_a_device_in_an_agencys_place_says_so(admin, platform, account):
    made = of_security(admin)
    Decision.objects.all().delete()
    today = timezone.localdate()
    typed = {"ids": made["devices_id"], "confirmed": "1", "retire_by": roc_date(today)}
    browser = signed_in(platform)
    assert "請勾選" in says(browser.post("/manage/devices/retire-by/", typed))
    assert not Decision.objects.exists()
    ticked = {"on_behalf": "on", "on_behalf_because": "機關委託"}
    assert browser.post("/manage/devices/retire-by/", {**typed, **ticked}).status_code == 302
    assert "機關委託" in says(signed_in(admin).get(f"/manage/devices/{made['devices_id']}/"))
    event = Event.objects.get(verb="decide_device", actor=platform.username)
    assert event.detail["on_behalf_of"] == admin.agency.name
