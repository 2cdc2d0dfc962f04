"""What people ask about their learning, as sources of the queue: 外部時數認列, 實體課程報名."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from ismp.accounts.models import Account
from ismp.accounts.roles import Right
from ismp.audit.trail import NotPossible
from ismp.courses.models import Course, Session, SessionState, Standing
from ismp.external import actions as external
from ismp.external.models import Claim
from ismp.external.modules import effects_of
from ismp.hours.models import in_hours
from ismp.requests.models import Delegation
from ismp.reviews.of_people import lights, turns
from ismp.reviews.waiting import Change, Deciding, Told, Waiting, due_of
from ismp.ui.roc import roc_date


def claims(user: Account) -> Iterator[Waiting]:
    """外部時數認列 that somebody else asked for."""
    for claim in Claim.objects.waiting_for(user).select_related("agency", "account__agency"):
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
    mine = Course.objects.visible_to(user).filter(courses)
    asking = Q(sign_ups__standing=Standing.APPLIED)
    sessions = Session.objects.filter(asking, course__in=mine, state=SessionState.PLANNED)
    for session in sessions.select_related("course__agency").annotate(
        count=Count("sign_ups"), since=Min("sign_ups__signed_up_at")
    ):
        told: Any = session
        query = urlencode({"session": session.pk, "standing": Standing.APPLIED.value})
        yield Waiting(
            kind="實體課程報名審核",
            title=f"{session}：{told.count} 人待審核",
            agency=session.course.agency.name if session.course.agency else "平台",
            since=told.since,
            due=due_of("sign_up", told.since),
            address=f"{reverse('sign_ups:list')}?{query}",
        )


# --- 外部時數認列 ---------------------------------------------------------------------------------


def _of_claim(claim: Claim) -> Told:
    file = reverse("external:certificate", args=[claim.pk])
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
    return Told(facts, changes, follows)


def _decide(
    claim: Claim, *, accept: bool, comment: str, by: Account, in_place_of: Account | None = None
) -> Claim:
    """Recognise the hours as claimed, or refuse; a delegate only while she stands in."""
    if in_place_of:
        days = Delegation.objects.in_force(timezone.localdate()).of_delegate(by)
        if not days.filter(principal=in_place_of).exists():
            raise NotPossible(f"您代理{in_place_of.name}的期間已經結束，請由本人決定。")
    deed = external.approve if accept else external.refuse
    return deed(claim, comment=comment, by=by, in_place_of=in_place_of)


CLAIM = Deciding("claim", _decide, _of_claim)
