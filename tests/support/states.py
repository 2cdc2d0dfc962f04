"""Things as pairs of actions find them: for each module of the list kit its states, who acts.

tests/site/test_pairs.py walks every module with it; a module without a state, or an action that fits no
state, fails.  What is made stays: ask in a `Place` only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import (
    Account,
    Agency,
    Department,
    Grade,
    PasswordReset,
    PersonLink,
    Posting,
)
from ismp.applications.actions import asking as requests
from ismp.compliance.models import Rule
from ismp.courses.classroom.actions import classes
from ismp.courses.classroom.actions.classes import Timing
from ismp.courses.models import (
    Course,
    Kind,
    Material,
    PortalUpload,
    Session,
    Teacher,
    TeacherCertificate,
    UploadedHours,
)
from ismp.external_hours import actions as external
from ismp.hours.models import Duplicate, Record
from ismp.portal import actions as portal
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.incidents.levels import Answer, Aspect, Harm, Subject
from ismp.security.models import (
    Advisory,
    AgencyGroup,
    Campaign,
    Decision,
    Device,
    RestrictedProduct,
    Vendor,
)
from ismp.ui.resources.resource import Resource, every
from ismp.ui.text.roc_dates import roc_date
from tests.support import derived
from tests.support.accounts import account_named
from tests.support.things import claim_of, of_uploads

TODAY = timezone.localdate
PLATFORM = (("IC1001", "platform_admin"), ("IC1002", "platform_admin"))
AGENCY = (("IC1001", "agency_admin"), ("IC1002", "agency_admin"))


@dataclass(frozen=True)
class State:
    make: Callable[[int], Any]
    """(n) → the nth thing, beside all earlier ones; the module's rows hold it."""
    senders: tuple[tuple[str, str], tuple[str, str]] = PLATFORM
    """Username and role of the two who act."""
    typed: dict[str, Any] = field(default_factory=dict)
    """By action, what is typed or chosen otherwise than by who leaves nothing empty; perhaps as a
    function of the thing."""
    only: tuple[str, ...] = ()
    """The only actions: actions whose buttons stand beside one entry of the thing's page."""


def a_person(n: int, **changes: Any) -> Any:
    """A new colleague of the two."""
    facts = {"agency": account_named("IC1001").agency, "name": f"測試{n}", "identities": "general"}
    made = Account.objects.create(username=f"PA{n}", **{**facts, **changes})
    served = {"agency": made.agency, "identities": made.identities, "status": made.status}
    Posting.objects.create(account=made, since=date(2026, 1, 5), recorded_by="x", **served)
    return made


def one_who_left(n: int) -> Any:
    return a_person(n, status="left")


def one_on_leave(n: int) -> Any:
    one = a_person(n)
    accounts.grant_leave(one, since=TODAY(), until=None, reason="", by="IC1003")
    return one


def one_who_will_change(n: int) -> Any:
    one = a_person(n)
    accounts.assign(one, identities="it", since=TODAY() + timedelta(days=9), by="IC1003")
    return one


def an_agency(n: int) -> Any:
    agency = Agency.objects.create(code=f"39{n:07}P", name=f"測試{n}局")
    a_person(n, agency=agency)
    return agency


def a_graded_agency(n: int) -> Any:
    agency = an_agency(n)
    accounts.grade(agency, Grade.B, since=TODAY(), by="IC1003")
    return agency


def a_course(n: int, kind: str = Kind.CLASSROOM, **changes: Any) -> Any:
    facts = {
        "agency": account_named("IC1001").agency,
        "category": "522",
        "hours": 3000,
        "state": "open",
    }
    course = Course.objects.create(kind=kind, title=f"課程{n}", **{**facts, **changes})
    if kind == Kind.ONLINE:
        Material.objects.create(course=course, position=1, kind="page", title="教材", text="x")
    else:
        a_session(n, course)
    return course


def a_session(n: int, course: Any = None) -> Any:
    soon = timezone.now() + timedelta(days=3)
    return classes.save_session(
        Session(
            course=course or a_course(n),
            place="101",
            quota=1,
            opens_on=TODAY(),
            closes_on=TODAY(),
            needs_approval=True,
        ),
        timings=[Timing(soon, soon + timedelta(hours=3), 3000)],
        by=account_named("IC1001"),
    )


def a_sign_up(n: int, *, let_in: bool = False) -> Any:
    session = a_session(n)
    own = classes.sign_up(session, a_person(n), by=account_named("IC1003"))
    classes.sign_up(session, a_person(n + 50_000), by=account_named("IC1003"))
    if let_in:
        classes.approve(session.sign_ups.filter(pk=own.pk), by=account_named("IC1003"))
    return own


def a_teacher(n: int) -> Any:
    teacher = Teacher.objects.create(agency=account_named("IC1001").agency, name=f"講師{n}")
    TeacherCertificate.objects.create(teacher=teacher, name="ISO 27001")
    return teacher


def a_device(n: int) -> Any:
    device = Device(agency=account_named("IC1001").agency, asset_no=f"P-{n}", kind="hardware")
    device.brand, device.network, device.quantity = "示範牌", "official", 1
    return device_actions.save_device(device, by=account_named("IC1003"))


def a_retired_device(n: int) -> Any:
    device = a_device(n)
    device_actions.retire(
        Device.objects.filter(pk=device.pk), on=TODAY(), by=account_named("IC1003")
    )
    return device


def a_decision(n: int) -> Any:
    return decision_actions.decide(
        a_device(n),
        kind=Decision.Kind.KEEP,
        reason="業務需要",
        measure="獨立網段",
        expires_on=TODAY() + timedelta(days=30),
        by=account_named("IC1003"),
    )


def a_product(n: int) -> Any:
    facts = {"brand": f"牌{n}", "letter": "示範字第1號", "issued_on": date(2026, 1, 1)}
    return product_actions.save_product(RestrictedProduct(**facts), by=account_named("IC1003"))


def a_campaign(n: int, *, signed: bool = False) -> Any:
    """Of next year: there is one a year, so that the last one goes."""
    year = TODAY().year - 1911 + 1
    for former in Campaign.objects.filter(year=year):
        former.sign_offs.all().delete()
        former.delete()
    Device.objects.update(restriction=None)
    campaign = Campaign.objects.create(year=year, due_on=date(year + 1911, 3, 1), opened_by="x")
    if signed:
        campaign_actions.sign_off(
            campaign, agency=account_named("IC1001").agency, by=account_named("IC1003")
        )
    return campaign


def an_advisory(n: int, *, published: bool = False) -> Any:
    facts = {"title": f"情資{n}", "severity": "high", "tlp": "green", "source": "示範中心"}
    advisory = Advisory(issued_on=TODAY(), **facts)
    advisory_actions.save(advisory, by=account_named("CU1001"))
    if published:
        agency = account_named("IC1001").agency
        advisory_actions.publish(
            advisory, agencies=[agency], due_on=TODAY(), by=account_named("CU1001")
        )
        advisory.refresh_from_db()
    return advisory


def a_group(n: int) -> Any:
    group = AgencyGroup.objects.create(name=f"群組{n}")
    group.agencies.set(Agency.objects.order_by("pk")[:1])
    return group


def of_a_batch(n: int) -> dict[str, Any]:
    """Hours are in one batch at a time, so that the last one goes."""
    UploadedHours.objects.all().delete()
    PortalUpload.objects.all().delete()
    return of_uploads(Record.objects.earliest("pk"), by=account_named("IC1003"))


def uploaded_hours(n: int) -> Any:
    found = UploadedHours.objects.filter(pk=of_a_batch(n)["uploaded_hours_id"])
    found.update(hours=1)
    return found.get()


def a_pair(n: int, decision: str) -> Any:
    Duplicate.objects.all().delete()
    record = Record.objects.earliest("pk")
    both = {"credited": record, "imported": record, "decision": decision}
    return Duplicate.objects.create(agency=record.agency, **both)


def a_vendor(n: int) -> Any:
    """A name belongs to one vendor, so that the last one goes."""
    Vendor.objects.filter(name__startswith="測試牌").delete()
    return Vendor.objects.create(name=f"測試牌{n}")


def a_claim(n: int, *, approved: bool = False) -> Any:
    claim = claim_of(a_person(n), title=f"研討會{n}")
    if approved:
        external.approve(claim, comment="", by=account_named("IC1003"))
    return claim


def a_link(n: int) -> Any:
    other = a_person(n, agency=account_named("EP1001").agency)
    account = a_person(n + 50_000, agency=account_named("CU1001").agency)
    for one in (other, account):
        one.national_id = national_id.complete(f"F1{n + 1_000_000:07}")
        one.save()
    link = PersonLink(account=account, other=other, asked_by=account_named("CU1001"))
    link.state, link.confirmed_at, link.decided_at = "confirmed", timezone.now(), timezone.now()
    link.decided_by = account_named("EP1001")
    link.save()
    return link


def an_application(n: int) -> Any:
    return requests.apply_for_account(
        agency=account_named("IC1001").agency,
        department="",
        username=f"PB{n}",
        name="申請人",
        number=national_id.complete(f"F1{n + 2_000_000:07}"),
        email=f"pb{n}@ismp.example",
        identities="it",
        reason="新到職",
        source=f"192.0.2.{n}",
    )


def a_transfer(n: int) -> Any:
    going = a_person(n)
    values = {"username": going.username, "name": going.name, "department": None}
    return requests.ask_for(**values, since=TODAY(), reason="商調", by=account_named("CU1001"))


def a_change(n: int) -> Any:
    values = {"identities": "security+it+general", "since": TODAY(), "reason": "職務調整"}
    return requests.ask_for_identities(**values, by=a_person(n))


def a_reset(n: int) -> Any:
    asker = account_named("IC1004")
    return PasswordReset.objects.create(account=a_person(n), asked_by=asker, because="示範")


def an_incident(n: int, *, reported: bool = False) -> Any:
    incident = incident_actions.open_incident(
        agency=account_named("IC1001").agency,
        title="示範事件",
        description="示範",
        answers={Aspect.AVAILABILITY: Answer(Subject.NON_CORE, Harm.SLIGHT)},
        known_at=timezone.now(),
        by=account_named("IC1003"),
    )
    return incident_actions.report(incident, by=account_named("IC1003")) if reported else incident


def a_department(n: int) -> Any:
    name = f"測試{n}科"
    return Department.objects.create(agency=account_named("IC1001").agency, name=name, path=name)


def a_ticket(n: int) -> Any:
    values = {"subject": "匯入", "place": "", "body": "看不懂", "contact": "1234", "run": None}
    return portal.open_ticket(**values, by=a_person(n))


def a_rule(n: int) -> Any:
    """The last one, as the law has it."""
    rule = Rule.objects.latest("pk")
    rule.versions.filter(recorded_by__in=["IC1001", "IC1002"]).update(replaced_by=None)
    rule.versions.filter(recorded_by__in=["IC1001", "IC1002"]).delete()
    rule.examples.filter(title="測試").delete()
    return rule


def later(days: int) -> str:
    return roc_date(TODAY() + timedelta(days=days))


def of_next_year() -> str:
    return roc_date(date(TODAY().year + 1, 5, 1))


_REVIEWED = {"approve": {"decision": "approve"}, "refuse": {"decision": "refuse"}}
_RULE = {
    "change": {"grades": ["A"], "hours": "5", "citation": "示範", "since": later(30)},
    "end": {"citation": "示範", "since": later(30)},
}
_LAST_SERVICE = {"cancel_service": lambda one: {"entry": one.postings.latest("pk").pk}}
_LAST_GRADE = {"cancel": lambda one: {"entry": f"grade-{one.grade_entries.latest('pk').pk}"}}
_STATES: dict[str, tuple[State, ...]] = {
    "departments": (State(a_department, typed={"edit": {"department": "人事室"}}),),
    "people": (
        State(a_person, AGENCY, {"edit": {"email": "new@example.org"}}),
        State(one_who_left, AGENCY),
        State(one_on_leave, AGENCY),
        State(a_person, only=("transfer",)),
        State(one_who_will_change, AGENCY, _LAST_SERVICE, only=("cancel_service",)),
    ),
    "agencies": (
        State(
            an_agency, typed={"edit": {"contact_name": "新的"}, "close": {"sure": "on", "into": ""}}
        ),
        State(a_graded_agency, typed=_LAST_GRADE, only=("cancel",)),
    ),
    "online_courses": (
        State(
            lambda n: a_course(n, Kind.ONLINE, state="draft"),
            AGENCY,
            {"edit": {"description": "改過的說明"}},
        ),
        State(
            lambda n: a_course(n, Kind.ONLINE),
            AGENCY,
            {"assign": {"whom": "list", "usernames": "IC1003"}},
        ),
    ),
    "classroom_courses": (
        State(lambda n: a_course(n, state="draft"), typed={"edit": {"description": "改過的說明"}}),
        State(a_course),
    ),
    "sessions": (State(a_session, typed={"edit": {"place": "102"}}),),
    "sign_ups": (State(a_sign_up, AGENCY), State(lambda n: a_sign_up(n, let_in=True), AGENCY)),
    "teachers": (State(a_teacher, AGENCY, {"edit": {"phone": "1234"}}),),
    "devices": (
        State(a_device, AGENCY, {"edit": {"quantity": "5"}, "retire-by": {"retire_by": later(30)}}),
        State(a_retired_device, AGENCY, {"edit": {"quantity": "5"}}),
    ),
    "decisions": (
        State(a_decision, AGENCY),
        State(a_decision, (("IC1003", "agency_admin"), ("IC1001", "agency_admin"))),
    ),
    "products": (State(a_product, typed={"edit": {"model": "M2"}}),),
    "campaigns": (
        State(
            a_campaign,
            typed={"edit": {"due_on": of_next_year()}, "extend": {"due_on": of_next_year()}},
        ),
        State(lambda n: a_campaign(n, signed=True), typed={"extend": {"due_on": of_next_year()}}),
    ),
    "agency_groups": (
        State(
            a_group,
            typed={"edit": lambda one: {"agencies": [Agency.objects.latest("pk").pk]}},
        ),
    ),
    "vendors": (State(a_vendor, typed={"edit": {"aliases": "別名甲"}}),),
    "advisories": (
        State(
            an_advisory,
            typed={"edit": {"title": "改過"}, "publish": {"everybody": "on", "without_due": "on"}},
        ),
        State(
            lambda n: an_advisory(n, published=True),
            typed={
                "edit": {"title": "改過"},
                "publish": {"everybody": "on", "due_on": ""},
                "extend": {"due_on": later(9)},
            },
        ),
    ),
    "addresses": (
        State(
            lambda n: an_advisory(n, published=True).addresses.get(),
            typed={"answer": {"reply": "affected"}},
        ),
    ),
    "portal_uploads": (
        State(lambda n: PortalUpload.objects.get(pk=of_a_batch(n)["portal_uploads_id"])),
    ),
    "uploaded_hours": (State(uploaded_hours),),
    "duplicates": (State(lambda n: a_pair(n, "both")), State(lambda n: a_pair(n, "one"))),
    "claims": (State(a_claim, AGENCY), State(lambda n: a_claim(n, approved=True), AGENCY)),
    "person_links": (State(a_link),),
    "applications": (State(an_application, AGENCY, _REVIEWED),),
    "transfers": (
        State(a_transfer, AGENCY, _REVIEWED),
        State(a_transfer, (("CU1001", "agency_admin"), AGENCY[0]), _REVIEWED),
    ),
    "changes": (State(a_change, AGENCY, _REVIEWED),),
    "resets": (State(a_reset, AGENCY, _REVIEWED),),
    "tickets": (State(a_ticket),),
    "rules": (State(a_rule, typed=_RULE),),
    "incidents": (
        State(an_incident, typed={"edit": {"title": "改過"}}),
        State(lambda n: an_incident(n, reported=True)),
    ),
}


def _derived(one: Resource) -> State:
    """Of a resource that is only edited: as its form adds it."""
    role = derived.editor_of(one)

    def make(n: int) -> Any:
        maker = account_named("IC1003")
        maker.role = role
        return derived.make(one, n, maker)

    return State(make, PLATFORM if role == "platform_admin" else AGENCY)


STATES = {
    **_STATES,
    **{
        one.name: (_derived(one),)
        for one in every()
        if one.form and not one.actions and one.name not in _STATES
    },
}
