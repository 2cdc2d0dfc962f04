"""The law of separation: every action that decides, tried on one's own thing, over HTTP.

Each action of each module, each step of an incident and each kind of 機關審核作業 has a row below: a case
that is tried, or the reason why one may do it for oneself.  A new one without a row fails.

A case is refused to the person, to a second account with his number, and to an account to which he
gave its role; then somebody else does the same, so that it is the rule that refused and not a fault.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ismp import reviews
from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account, Leave, PasswordReset, PersonLink
from ismp.accounts.roles import Role
from ismp.applications.actions import asking as requests
from ismp.applications.models import AccountApplication, IdentityChange, Transfer
from ismp.courses.classroom.actions import attendance, classes
from ismp.courses.models import Attendance, Session, SignUp, Standing
from ismp.external_hours import actions as external
from ismp.external_hours.models import ExternalClaim
from ismp.hours.models import Decision as Verdict
from ismp.hours.models import Duplicate, Record
from ismp.reviews.queue import SOURCES
from ismp.reviews.queue_item import Deciding
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Subject
from ismp.security.incidents.views import ACTIONS as STEPS
from ismp.security.models import Address, Advisory, Decision, Incident
from ismp.ui.text.roc_dates import roc_date
from tests.support.courses import end_now
from tests.support.examples import modules
from tests.support.rights import POST_ONLY
from tests.support.things import claim_of

pytestmark = pytest.mark.django_db
SMALL = {Aspect.INTEGRITY: Answer(Subject.NON_CORE)}


@dataclass
class People:
    """All in one agency, all with every right; only what is `own`'s is to be decided."""

    own: Account
    other: Account
    stranger: Account
    """An administrator of another agency."""


@dataclass(frozen=True)
class Trial:
    """One request, and what it would change."""

    address: str
    typed: dict[str, Any]
    state: Callable[[], Any]


Case = Callable[[People], Trial]


# --- The cases -----------------------------------------------------------------------------------


def the(thing: Any, *names: str) -> Callable[[], Any]:
    """Return the stored values of these fields of a row."""
    rows = type(thing)._default_manager.filter(pk=thing.pk)
    return lambda: list(rows.values_list(*names))


def confirmed(thing: Any, **typed: Any) -> dict[str, Any]:
    return {"ids": thing.pk, "confirmed": "1", **typed}


def review(make: Callable[[People], Any], name: str, field: str = "state") -> Case:
    """A thing decided on its page in 機關審核作業."""

    def case(people: People) -> Trial:
        thing = make(people)
        typed = {"decision": "approve", "comment": "好"}
        return Trial(f"/manage/reviews/{name}/{thing.pk}/", typed, the(thing, field))

    return case


def done_by_action(
    make: Callable[[People], Any], address: str, field: str = "state", **typed: Any
) -> Case:
    """A thing that an action of its module is done to."""

    def case(people: People) -> Trial:
        thing = make(people)
        return Trial(f"/manage/{address}/", confirmed(thing, **typed), the(thing, field))

    return case


def own_claim(people: People) -> ExternalClaim:
    ExternalClaim.objects.filter(account=people.own).delete()
    return claim_of(people.own)


def own_recognised_claim(people: People) -> ExternalClaim:
    return external.approve(own_claim(people), comment="", by=people.other)


def own_exception(people: People) -> Decision:
    return Decision.objects.get(made_by=people.own)


def own_application(people: People) -> AccountApplication:
    """He asks for a second account, by his own number; one agency has one account of a number."""
    return requests.apply_for_account(
        agency=people.stranger.agency,
        department="",
        username="ghost1",
        name="隨便",
        number=people.own.national_id,
        email="ghost@ismp.example",
        identities="general",
        reason="新到職",
        source="1",
    )


def application_by_his_address(people: People) -> AccountApplication:
    application = own_application(people)
    application.national_id = "F123456784"
    application.email = people.own.email.upper()
    application.save()
    return application


def own_identities(people: People) -> IdentityChange:
    today = timezone.localdate()
    asked = {"identities": "security+it+general", "since": today, "reason": "x"}
    return requests.ask_for_identities(**asked, by=people.own)


def own_transfer(people: People) -> Transfer:
    who = {"username": people.own.username, "name": people.own.name}
    asked = {"department": None, "since": timezone.localdate(), "reason": "x"}
    return requests.ask_for(**who, **asked, by=people.stranger)


def reset_he_asked_for(people: People) -> PasswordReset:
    owner = Account.objects.get(username="IC1007")
    return PasswordReset.objects.create(account=owner, asked_by=people.own, because="x")


def own_link(people: People) -> PersonLink:
    """An account elsewhere got his number."""
    PersonLink.objects.all().delete()
    elsewhere = Account.objects.get(username="CU1005")
    account_actions.set_national_id([elsewhere], number=people.own.national_id, by=people.stranger)
    return PersonLink.objects.get(account=elsewhere)


def own_confirmed_link(people: People) -> PersonLink:
    return person_links.confirm(own_link(people), by=people.other)


def duplicate(former: Verdict) -> Callable[[People], Duplicate]:
    """Two of his records that look the same, of which something else was decided before."""

    def make(people: People) -> Duplicate:
        Duplicate.objects.update(decision=former)
        return Duplicate.objects.get(credited__account=people.own)

    return make


def own_sign_up(people: People) -> SignUp:
    Session.objects.update(needs_approval=True, taken=0)
    SignUp.objects.all().delete()
    return classes.sign_up(Session.objects.get(), people.own, by=people.own)


def place_for_a_session(people: People) -> Trial:
    sign_up = own_sign_up(people)
    address = f"/manage/reviews/sign_up/{sign_up.session_id}/"
    typed = {"decision": "approve", "comment": "好"}
    return Trial(address, typed, the(sign_up, "standing"))


def put_in(people: People) -> Trial:
    SignUp.objects.all().delete()
    Session.objects.update(taken=0)
    typed = confirmed(Session.objects.get(), whom="list", usernames=people.own.username)
    count = SignUp.objects.filter(account=people.own).count
    return Trial("/manage/sessions/put_in/", typed, count)


def in_class(what: str) -> Case:
    """Presence and score of his own, on the page and by file, and what they give."""

    def case(people: People) -> Trial:
        session = Session.objects.get()
        meeting, own = session.meetings.get(), session.sign_ups.get(account=people.own)
        here = f"/courses/teaching/sessions/{session.pk}/"
        presence = Attendance.objects.filter(sign_up=own).count
        hours = Record.objects.live().filter(account=people.own, term="1").count
        if what == "presence":
            return Trial(here, {f"meeting-{meeting.pk}": own.pk}, presence)
        if what == "score":
            typed = {f"score-{own.pk}": "100"}
            return Trial(here, typed, the(own, "score"))
        if what == "finish":
            attendance.mark(meeting, [own.pk], by=people.other)
            end_now(meeting)
            return Trial(f"{here}finish/", {}, hours)
        by_scores = what == "file of scores"
        line = f"{people.own.username},100\n".encode()
        file = SimpleUploadedFile("a.csv", line)
        typed = {"what": "scores" if by_scores else str(meeting.pk), "file": file}
        return Trial(f"{here}file/", typed, the(own, "score") if by_scores else presence)

    return case


def judged(step: str, **typed: Any) -> Case:
    """An incident that he reported, handled and reported on to the end."""

    def case(people: People) -> Trial:
        third = Account.objects.get(username="CU1003")
        incident = incident_actions.open_incident(
            agency=people.own.agency,
            title="x",
            description="x",
            answers=SMALL,
            known_at=timezone.now(),
            by=people.own,
        )
        incident = incident_actions.report(incident, by=people.own)
        if step == "reinstate":
            incident = incident_actions.withdraw(incident, reason="x", by=people.own)
        elif step != "review":
            incident = incident_actions.review(incident, accept=True, comment="", by=third)
            incident = incident_actions.recover(incident, at=timezone.now(), text="", by=people.own)
        if step == "close":
            incident = incident_actions.finish(incident, "x", by=people.own)
        day = timezone.localdate() + timedelta(days=45)
        given = {"day": roc_date(day)} if step == "extend" else {}
        typed_now = {"accept": "1", "text": "x", **given, **typed}
        state = the(incident, "state", "extended_to")
        return Trial(f"/incidents/{incident.pk}/{step}/", typed_now, state)

    return case


def answer_to_what_he_published(people: People) -> Trial:
    address = Address.objects.get(agency=people.own.agency)
    Address.objects.filter(pk=address.pk).update(addressed_by=people.own.username)
    stead = {"on_behalf": "on", "on_behalf_because": "x"}  # for those of another agency
    typed = confirmed(address, reply="done", evidence="x", **stead)
    return Trial("/manage/addresses/answer/", typed, the(address, "reply"))


def own_account(name: str, field: str, **typed: Any) -> Case:
    def case(people: People) -> Trial:
        day = timezone.localdate()
        elsewhere = {"agency": people.stranger.agency_id} if name == "transfer" else {}
        long_ago = date(2020, 1, 1)
        over = {"since": long_ago, "until": long_ago, "reason": "x"}
        leave = Leave.objects.create(account=people.own, **over)
        entry = people.own.postings.order_by("-pk").first()
        more = {"leave": leave.pk, "entry": entry.pk, "reason": "x", **elsewhere}
        given = confirmed(people.own, since=roc_date(day), **more | typed)
        return Trial(f"/manage/accounts/{name}/", given, the(people.own, field))

    return case


OWN_ACCOUNT_ONLY = "people:"
"""An administrator may edit the account of whoever appointed them: that decides nothing."""

ACTION_ROWS: dict[str, Case | str] = {
    "claims:approve": done_by_action(
        own_claim, "learning-map/claims/approve", category="522", given="3", comment="x"
    ),
    "claims:refuse": done_by_action(own_claim, "learning-map/claims/refuse", comment="x"),
    "claims:revoke": done_by_action(own_recognised_claim, "learning-map/claims/revoke", reason="x"),
    "decisions:approve": done_by_action(own_exception, "decisions/approve", comment="x"),
    "decisions:reject": done_by_action(own_exception, "decisions/reject", comment="x"),
    "decisions:withdraw": "one takes back what one proposed",
    "sign_ups:approve": done_by_action(own_sign_up, "sign-ups/approve", "standing"),
    "sign_ups:refuse": done_by_action(own_sign_up, "sign-ups/refuse", "standing"),
    "sign_ups:take_out": "one gives one's place back",
    "sessions:put_in": put_in,
    "sessions:call_off": "nobody gains by a class that is called off",
    "duplicates:once": done_by_action(
        duplicate(Verdict.BOTH), "learning-map/duplicates/once", "decision"
    ),
    "duplicates:twice": done_by_action(
        duplicate(Verdict.ONE), "learning-map/duplicates/twice", "decision"
    ),
    "person_links:revoke": done_by_action(own_confirmed_link, "person-links/revoke", reason="x"),
    "addresses:answer": answer_to_what_he_published,
    "addresses:acknowledge": "that it was seen is no judgment; the answer is",
    "addresses:incident": "a draft of the agency, that others review",
    "addresses:remove": "takes a duty off an agency, with a reason that it is told",
    "people:change": own_account("change", "identities", identities=["security"]),
    "people:transfer": own_account("transfer", "agency"),
    "people:leave": own_account("leave", "status"),
    "people:return": own_account("return", "status"),
    "people:grant_leave": own_account("grant_leave", "leaves"),
    "people:withdraw_leave": own_account("withdraw_leave", "leaves__withdrawn_at"),
    "people:cancel_service": own_account("cancel_service", "postings__cancelled_at"),
    "people:appoint": own_account("appoint", "role", role="auditor"),
    "people:reset_password": own_account("reset_password", "password", identified="on"),
    "people:end_sessions": own_account("end_sessions", "session_round"),
    "people:set_national_id": own_account("set_national_id", "id_hash", number=""),
    **dict.fromkeys(
        (
            "advisories:publish",
            "advisories:extend",
            "advisories:close",
            "advisories:withdraw",
            "products:lift",
            "campaigns:extend",
        ),
        "the platform's own task, about agencies and not about a person",
    ),
    **dict.fromkeys(
        ("advisories:stix", "advisories:iocs"), "reads, and leaves who read in the trail"
    ),
    **dict.fromkeys(
        ("campaigns:sign", "campaigns:withdraw"), "the agency's own duty, for nobody in person"
    ),
    **dict.fromkeys(
        ("devices:retire-by", "devices:retired", "devices:unretire"),
        "keeping the inventory; an exception is decided by another (decisions:approve)",
    ),
    "devices:keep": "proposes, and another decides (decisions:approve)",
    "departments:merge": "moves a department, decides about no person",
    **dict.fromkeys(
        (*(f"agencies:{one}" for one in ("grade", "rename", "officer", "close", "cancel")),),
        "the platform's own task, about agencies and not about a person",
    ),
    **dict.fromkeys(
        ("online_courses:open", "online_courses:close"), "offers a course to everybody"
    ),
    **dict.fromkeys(
        ("classroom_courses:open", "classroom_courses:close"), "offers a course to everybody"
    ),
    "online_courses:assign": "to be told to learn gives nothing: materials and quiz do",
    **dict.fromkeys(
        ("portal_uploads:again", "portal_uploads:revoke", "uploaded_hours:corrected"),
        "says what the portal has; hours count here as before",
    ),
    "teachers:add_certificate": "a note on a teacher, from which no right follows",
    "teachers:remove_certificate": "as add_certificate",
}

REVIEW_ROWS: dict[str, Case | str] = {
    "claim": review(own_claim, "claim"),
    "exception": review(own_exception, "exception"),
    "sign_up": place_for_a_session,
    "application": review(own_application, "application"),
    "identities": review(own_identities, "identities"),
    "transfer": review(own_transfer, "transfer"),
    "reset": review(reset_he_asked_for, "reset"),
    "person": review(own_link, "person"),
}

SOURCE_ROWS = {
    "_incidents": "INCIDENT_ROWS",
    "_exceptions": "exception",
    "_advisories": "addresses:answer",
    "applications": "application",
    "transfers": "transfer",
    "identity_changes": "identities",
    "password_resets": "reset",
    "person_links": "person",
    "claims": "claim",
    "sign_ups": "sign_up",
}
"""Of each source of the queue the row that tries it."""

INCIDENT_ROWS: dict[str, Case | str] = {
    "review": judged("review"),
    "extend": judged("extend"),
    "close": judged("close"),
    "reinstate": judged("reinstate"),
    "forward": "notes that the review went to the authority: judges nothing",
    **dict.fromkeys(
        ("report", "recover", "finish", "note", "level", "withdraw"),
        "the agency's own to do, that somebody else reviews",
    ),
}

MORE: dict[str, Case] = {
    "application by his address": review(application_by_his_address, "application"),
    "courses:session, presence": in_class("presence"),
    "courses:session, score": in_class("score"),
    "courses:session_file, presence": in_class("file of presence"),
    "courses:session_file, scores": in_class("file of scores"),
    "courses:finish": in_class("finish"),
}

OTHER_ADDRESSES = {
    "courses:session_file": "MORE",
    "courses:finish": "MORE",
    "security:incident_action": "INCIDENT_ROWS",
    "reviews:batch": "every row of REVIEW_ROWS is tried there too",
    "reviews:end_delegation": "one's own stand-in",
    "accounts:logout": "oneself",
    **dict.fromkeys(
        (
            "external_hours:withdraw",
            "application_forms:withdraw_identities",
            "application_forms:withdraw_transfer",
        ),
        "one takes back what one asked for",
    ),
    **dict.fromkeys(
        ("courses:enroll", "courses:bookmark", "courses:sign_up", "courses:withdraw"),
        "anybody does that for himself; places that need a yes are in REVIEW_ROWS",
    ),
    **dict.fromkeys(
        ("authoring:raise_material", "authoring:drop_material", "authoring:drop_question"),
        "writes a course; who wrote it passes its quiz like everybody",
    ),
    **dict.fromkeys(
        (
            "imports:upload",
            "imports:run_password",
            "imports:run_commit",
            "hours:columns",
            "hours:delete",
            "hours:restore",
        ),
        "the portal's file of the agency holds the clerk's own hours too, as the portal has them",
    ),
    "portal:certificate": "one's own hours as they stand",
    "boards:remind": "tells people",
    "compliance:remove_example": "of a rule, not of a person",
}


# --- Nothing is forgotten ------------------------------------------------------------------------


def decidings() -> dict[str, Deciding]:
    found = {}
    for info in pkgutil.walk_packages(reviews.__path__, "ismp.reviews."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Deciding):
                found[value.name] = value
    return found


def test_each_action_step_and_review_has_its_row():
    assert {f"{m.name}:{one.name}" for m in modules() for one in m.actions} == set(ACTION_ROWS)
    assert set(decidings()) == set(REVIEW_ROWS)
    assert set(STEPS) == set(INCIDENT_ROWS)
    assert {source.__name__ for source in SOURCES} == set(SOURCE_ROWS)
    assert set(POST_ONLY) - set(ACTION_ROWS) == set(OTHER_ADDRESSES)


# --- Each is refused -----------------------------------------------------------------------------

CASES: dict[str, Case] = {
    name: case
    for rows in (ACTION_ROWS, REVIEW_ROWS, INCIDENT_ROWS, MORE)
    for name, case in rows.items()
    if not isinstance(case, str)
}


@pytest.fixture
def people(things: Any, account: Any) -> People:
    PersonLink.objects.all().delete()
    made = [account(f"IC100{n}", "platform_admin") for n in (1, 3)]
    stranger = account("CU1001", "agency_admin")
    return People(*made, stranger=stranger)


def himself(people: People) -> Account:
    return people.own


def his_second_account(people: People) -> Account:
    """With the same number, confirmed by nobody."""
    second = Account.objects.select_related("agency").get(username="EP1001")
    Account.objects.filter(pk=second.pk).update(role="platform_admin", id_hash=people.own.id_hash)
    second.refresh_from_db()
    return second


def his_puppet(people: People) -> Account:
    """To whom he gave the role."""
    puppet = Account.objects.select_related("agency").get(username="IC1004")
    accounts.appoint(puppet, Role.PLATFORM_ADMIN, by=people.own.username)
    return puppet


def posted(person: Account, trial: Trial) -> Any:
    browser = Client()
    browser.force_login(person)
    if file := trial.typed.get("file"):
        file.seek(0)
    return browser.post(trial.address, trial.typed, follow=True)


@pytest.mark.parametrize("name", CASES)
def test_own_affairs_are_decided_by_others(name: str, people: People) -> None:
    trial = CASES[name](people)
    is_account = name.startswith(OWN_ACCOUNT_ONLY)
    before = trial.state()
    for decider in (himself,) if is_account else (himself, his_second_account, his_puppet):
        answer = posted(decider(people), trial)
        page = words_of(answer)
        assert trial.state() == before, (decider, page)
        said = ("與您自己有關", "30 天內", "不能變更自己的帳號")
        assert answer.status_code == 404 or any(words in page for words in said), page
        if name in REVIEW_ROWS:
            posted(decider(people), many_at_once(trial))
            assert trial.state() == before, decider
    if not is_account:
        page = words_of(posted(people.other, trial))
        assert trial.state() != before, page


def words_of(answer: Any) -> str:
    """Return the text of the page, without its tags and menus."""
    main = answer.content.decode().split("<main", 1)[-1].split("<footer", 1)[0]
    return re.sub(r"<[^>]*>|\s+", " ", main)


def many_at_once(trial: Trial) -> Trial:
    key = "-".join(trial.address.strip("/").split("/")[-2:])
    typed = {"ids": key, "decision": "approve", "confirmed": "1", "comment": "好"}
    return Trial("/manage/reviews/batch/", typed, trial.state)


def test_a_code_that_one_shows_oneself_is_not_scanned(people: People) -> None:
    meeting = Session.objects.get().meetings.get()
    browser = Client()
    browser.force_login(people.own)
    for decider in (himself, his_second_account, his_puppet):
        code = attendance.code_of(meeting, shown_by=decider(people))
        page = browser.get(f"/courses/meetings/{meeting.pk}/attend/{code}/").content.decode()
        assert 'name="ticket"' not in page
    code = attendance.code_of(meeting, shown_by=people.other)
    page = browser.get(f"/courses/meetings/{meeting.pk}/attend/{code}/").content.decode()
    assert 'name="ticket"' in page


def test_the_thing_that_waits_is_shown_to_who_can_decide_it(people: People) -> None:
    """Not to him; to another administrator, who decides."""
    from ismp.reviews.queue import waiting_for

    for make in (own_claim, own_identities, own_transfer, reset_he_asked_for, own_sign_up):
        make(people)
    keys = {one.key for one in waiting_for(people.own) if one.deciding}
    others = {one.key for one in waiting_for(people.other) if one.deciding}
    own = {
        f"claim-{ExternalClaim.objects.get(account=people.own).pk}",
        f"identities-{IdentityChange.objects.get(account=people.own).pk}",
        f"transfer-{Transfer.objects.get(account=people.own).pk}",
        f"reset-{PasswordReset.objects.get(asked_by=people.own).pk}",
        f"sign_up-{Session.objects.get().pk}",
    }
    assert not own & keys and own <= others
    assert Advisory.objects.exists() and Incident.objects.exists()
    assert SignUp.objects.get().standing == Standing.APPLIED
