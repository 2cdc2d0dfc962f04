"""Applications about learning, as sources of the queue: 外部時數認列, 實體課程報名."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from ismp.accounts import separation
from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.applications.actions import delegating
from ismp.compliance.standing import import_effect
from ismp.courses.classroom.actions import classes
from ismp.courses.models import Course, Session, SessionState, SignUp, Standing
from ismp.courses.online.actions.learning import counts
from ismp.errors import ActionRefused
from ismp.external_hours import actions as external
from ismp.external_hours.models import ExternalClaim
from ismp.external_hours.resources import effects_of
from ismp.hours.models import in_hours
from ismp.reviews.queue_item import Change, Deciding, ReviewBrief, Waiting, due_of
from ismp.reviews.sources.people import lights, turns
from ismp.ui.text.roc_dates import roc_date


def claims(user: Account) -> Iterator[Waiting]:
    """外部時數認列 that somebody else asked for."""
    for claim in ExternalClaim.objects.waiting_for(user).select_related(
        "agency", "account__agency"
    ):
        yield Waiting(
            kind="外部時數認列",
            title=f"{claim.account.name}：{claim.title}",
            agency=claim.agency.name,
            since=claim.claimed_at,
            due=due_of(CLAIM.name, claim.claimed_at),
            address=reverse("reviews:item", args=[CLAIM.name, claim.pk]),
            thing=claim,
            deciding=CLAIM,
            barred=frozenset({claim.account_id}),
        )


def sign_ups(user: Account) -> Iterator[Waiting]:
    """Sign-ups for one's own agency's sessions (the platform's too, for who keeps them)."""
    if not user.may(Right.MANAGE_COURSES):
        return
    courses = Q(agency=user.agency_id)
    if user.may(Right.ALL_AGENCIES):
        courses |= Q(agency=None)
    taught = Course.objects.visible_to(user).filter(courses)
    asking = Q(sign_ups__standing=Standing.APPLIED)
    sessions = Session.objects.filter(asking, course__in=taught, state=SessionState.PLANNED)
    found = sessions.select_related("course__agency").annotate(
        count=Count("sign_ups"), since=Min("sign_ups__signed_up_at")
    )
    who = dict[int, list[int]]()
    asked = SignUp.objects.filter(session__in=found, standing=Standing.APPLIED)
    for session_id, account_id in asked.values_list("session", "account"):
        who.setdefault(session_id, []).append(account_id)
    for session in found:
        shown: Any = session
        yield Waiting(
            kind="實體課程報名審核",
            title=f"{session}：{shown.count} 人待審核",
            agency=session.course.agency.name if session.course.agency else "平台",
            since=shown.since,
            due=due_of(SIGN_UPS.name, shown.since),
            address=reverse("reviews:item", args=[SIGN_UPS.name, session.pk]),
            thing=session,
            deciding=SIGN_UPS,
            barred=frozenset(who.get(session.pk, ())),
            is_group=True,
        )


# --- 外部時數認列 ---------------------------------------------------------------------------------


def _of_claim(claim: ExternalClaim) -> ReviewBrief:
    file = reverse("external_hours:certificate", args=[claim.pk])
    facts = [
        ("同仁", f"{claim.account.name}（{claim.account.username}）"),
        ("名稱", claim.title),
        ("主辦機構", claim.organizer),
        ("起訖", f"{roc_date(claim.started_on)} ~ {roc_date(claim.ended_on)}"),
        ("學習方式", claim.get_nature_display()),
        ("說明", claim.description),
        ("證明文件", format_html('<a href="{}" target="_blank" rel="noopener">開啟</a>', file)),
    ]
    effects, aside = effects_of(claim)
    before, after = [old for old, _ in effects], [new for _, new in effects]
    changes = [
        Change(claim.get_category_display(), "－", f"認列 {in_hours(claim.hours)} 小時"),
        *lights(before, after),
    ]
    follows = turns(before, after)
    if aside:
        follows.append("匯入的時數已有看起來相同的一筆，會列入「可能重複」，確認前只採計那一筆。")
    follows.append("要改時數或類別，請到「學習地圖管理 › 外部時數認列」處理。")
    return ReviewBrief(facts, changes, follows)


def _decide(
    claim: ExternalClaim,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> ExternalClaim:
    """Recognise the hours as claimed, or refuse."""
    action = external.approve if accept else external.refuse
    return action(claim, comment=comment, by=by, in_place_of=in_place_of)


CLAIM = Deciding("claim", _decide, _of_claim)


# --- 實體課程報名 --------------------------------------------------------------------------------

_LIGHTS = 20
"""Of so many people it is told whose light the class would turn; more would fill the page."""


def _asking(session: Session) -> QuerySet[SignUp]:
    asked = session.sign_ups.filter(standing=Standing.APPLIED)
    return asked.select_related("account__department").order_by("turn")


def _of_sign_ups(session: Session) -> ReviewBrief:
    asking = list(_asking(session))
    waiting = session.sign_ups.filter(standing=Standing.WAITING).count()
    let_in = min(len(asking), max(session.quota - session.taken, 0))
    facts = [
        ("課程", session.course.title),
        ("期別", session.number),
        ("地點", session.place),
        ("名額", session.quota),
        ("申請人", "、".join(f"{one.account.name}（{one.account.username}）" for one in asking)),
    ]
    changes = [
        Change("錄取", f"{session.taken} 人", f"{session.taken + let_in} 人"),
        Change("候補", f"{waiting} 人", f"{waiting + len(asking) - let_in} 人"),
    ]
    follows = ["依報名順序錄取；名額滿了就列入候補。", *_turned_by(session, asking)]
    follows.append("要逐人決定，請到「實體課程 › 報名審核」。")
    return ReviewBrief(facts, changes, follows)


def _turned_by(session: Session, asking: list[SignUp]) -> list[str]:
    """People whose light the whole class would change, by today's hours."""
    if not counts(session.course):
        return []
    hours = session.meetings.aggregate(sum=Sum("hours", default=0))["sum"]
    category, today = int(session.course.category), timezone.localdate()
    found = [f"上完課取得 {in_hours(hours)} 小時。"]
    people = [one.account for one in asking[:_LIGHTS]]
    effects = import_effect.of_hours(people, category=category, ended_on=today, hours=hours)
    for one in asking[:_LIGHTS]:
        duties = effects.get(one.account_id, [])
        sides = [(old.word, new.word, old.title) for old, new in duties if old.light != new.light]
        found += [f"{one.account.name}的{title}會由「{a}」變成「{b}」。" for a, b, title in sides]
    return found


def _decide_sign_ups(
    session: Session, *, accept: bool, comment: str, by: Account, in_place_of: Account | None = None
) -> int:
    """Let in, or turn down, all who ask for a session; one by one it is done in 報名審核."""
    delegating.refuse_past_days(by, in_place_of)
    if not accept and not comment.strip():
        raise ActionRefused("不同意時，請寫明理由。")
    asking = _asking(session)
    if not asking.exists():
        raise ActionRefused("這一期已經沒有等候審核的報名，請重新整理清單。")
    others = asking.exclude(account__in=separation.conflicts(by, in_place_of))
    if not others.exists():
        classes.refuse_own(session, [one.account for one in asking], by)
    asking = others  # one's own sign-up waits for somebody else
    action = classes.approve if accept else classes.refuse
    stead = {"in_place_of": in_place_of.username} if in_place_of else {}
    return action(asking, comment=comment.strip(), by=by, **stead)


SIGN_UPS = Deciding("sign_up", _decide_sign_ups, _of_sign_ups)
