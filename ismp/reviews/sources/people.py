"""Applications as sources of the queue: 帳號申請, 機關異動, 資安列管身分變更, 同一人確認,
重設密碼.

What follows from each decision is computed here: `ismp.applications` does not know training.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse

from ismp.accounts import timeline
from ismp.accounts.actions import password_resets as password_reset_actions
from ismp.accounts.actions import person_links as person_link_actions
from ismp.accounts.models import Account, PasswordReset, PersonLink
from ismp.accounts.roles import Right
from ismp.applications.actions import deciding
from ismp.applications.models import AccountApplication, IdentityChange, Transfer
from ismp.compliance.standing import what_if
from ismp.compliance.standing.table import WORDS, Line
from ismp.errors import ActionRefused
from ismp.hours import models as hours
from ismp.hours.models import in_hours
from ismp.hours.portal_import.matching import same_name
from ismp.reviews.queue_item import Change, Deciding, ReviewBrief, Waiting, due_of
from ismp.ui.resources.resource import Page
from ismp.ui.templatetags.ismp_ui import roc_moment
from ismp.ui.text.roc_dates import roc_date

_JUDGED = "燈號以今天的時數試算，視同今天就生效。"
_NOTHING = "－"


def applications(user: Account) -> Iterator[Waiting]:
    """帳號申請 to the agency."""
    found = list(AccountApplication.objects.to_decide_by(user).select_related("agency"))
    known = deciding.known_of(found)
    for one in found:
        yield _waiting("帳號申請", one, APPLICATION, str(one), *known[one.pk])


def transfers(user: Account) -> Iterator[Waiting]:
    """機關異動 that the other agency has asked for."""
    asked = Transfer.objects.to_decide_by(user)
    for one in asked.select_related("account", "agency", "origin", "destination", "department"):
        title = f"{one}：{one.origin} → {one.destination}"
        yield _waiting("機關異動申請", one, TRANSFER, title, one.account_id, one.asked_by_id)


def identity_changes(user: Account) -> Iterator[Waiting]:
    """資安列管身分 that people of the agency want changed."""
    asked = IdentityChange.objects.to_decide_by(user)
    for one in asked.select_related("account__department", "agency"):
        title = f"{one}：{one.get_identities_display()}"
        yield _waiting("身分變更申請", one, IDENTITIES, title, one.account_id)


def password_resets(user: Account) -> Iterator[Waiting]:
    """重設密碼 that somebody else asked for."""
    asked = PasswordReset.objects.to_decide_by(user)
    found = list(asked.select_related("account__agency", "asked_by"))
    concerned = password_reset_actions.concerned(found)
    for one in found:
        yield Waiting(
            kind="重設密碼",
            title=str(one),
            agency=one.account.agency.name,
            since=one.asked_at,
            due=due_of(RESET.name, one.asked_at),
            address=reverse("reviews:item", args=[RESET.name, one.pk]),
            thing=one,
            deciding=RESET,
            barred=concerned[one.pk],
        )


def person_links(user: Account) -> Iterator[Waiting]:
    """Accounts elsewhere that got the national ID of one of the agency's."""
    asked = PersonLink.objects.to_decide_by(user)
    found = list(asked.select_related("account__agency", "other__agency", "asked_by"))
    registrars = person_link_actions.registrars(found)
    for one in found:
        title = f"{one}{'' if _same_names(one) else '：姓名不同'}"
        barred = (
            one.account_id,
            one.other_id,
            person_link_actions.barring_asker(one),
            *registrars[one.pk],
        )
        yield _waiting("同一人確認", one, PERSON_LINK, title, *filter(None, barred))


def _waiting(kind: str, one: Any, how: Deciding, title: str, *barred: int) -> Waiting:
    return Waiting(
        kind=kind,
        title=title,
        agency=one.agency.name,
        since=one.asked_at,
        due=due_of(how.name, one.asked_at),
        address=reverse("reviews:item", args=[how.name, one.pk]),
        thing=one,
        deciding=how,
        barred=frozenset(barred),
    )


# --- 帳號申請 ------------------------------------------------------------------------------------


def _of_application(one: AccountApplication) -> ReviewBrief:
    department = deciding.department_of(one)
    named = one.department or _NOTHING
    if one.department and department is None:
        named += "（本機關沒有這個部門，帳號先不指定部門）"
    facts = [
        ("姓名", one.name),
        ("公務帳號", one.username),
        ("機關", one.agency),
        ("部門", named),
        ("身分證字號", one.masked_id),
        ("公務電子郵件", one.email),
        ("資安列管身分", one.get_identities_display()),
        ("理由", one.reason),
    ]
    duties = what_if.duties_of(one.identities, one.agency)
    changes = [
        Change("帳號", "沒有", f"{one.username}（同仁）"),
        *(Change(title, _NOTHING, f"應完成 {in_hours(owed)} 小時") for title, owed in duties),
    ]
    return ReviewBrief(facts, changes, _follows_account(one), obstacle=_obstacle(one))


def _follows_account(one: AccountApplication) -> list[str]:
    waits = hours.Waiting.objects.filter(agency=one.agency_id, id_hash=one.id_hash, claimed_at=None)
    rows = waits.aggregate(n=Sum("rows", default=0))["n"]
    lines = [
        f"待認領時數 {rows:,} 筆會在一分鐘內歸戶。"
        if rows
        else "本機關沒有等候這個身分證字號的待認領時數。"
    ]
    lines.append(f"從今天起列入「{one.agency}」與全市的達標狀況。")
    lines.append(
        f"設定密碼的一次性代碼會寄到 {one.email}。"
        if settings.EMAIL_HOST and one.email
        else "設定密碼的一次性代碼要另一位管理者確認後交給本人（平台沒有設定郵件伺服器）。"
    )
    return lines


def _obstacle(one: AccountApplication) -> str:
    try:
        deciding.account_of(one)
    except ActionRefused as reason:
        return str(reason)
    return ""


# --- 機關異動, 身分變更 --------------------------------------------------------------------------


def _of_transfer(one: Transfer) -> ReviewBrief:
    person, day = one.account, roc_date(one.since)
    before, after = what_if.of_person_if(person, agency=one.destination)
    here = person.department.name if person.department else _NOTHING
    there = one.department.name if one.department else "由調往的機關指定"
    facts = [
        ("同仁", f"{person.name}（{person.username}）"),
        ("異動", f"{one.way}，由{one.asked_by.agency}的{one.asked_by.name}提出"),
        ("生效日", day),
        ("理由", one.reason),
    ]
    changes = [
        Change("機關", one.origin.name, one.destination.name),
        Change("部門", here, there),
        Change("列入的達標狀況", one.origin.name, one.destination.name),
        *lights(before, after),
    ]
    follows = [
        f"{day} 起由{one.destination}管理這個帳號；時數跟著人走，之前的任職紀錄不變。",
        "機關管理者、教師的角色不會跟過去。",
        *turns(before, after),
        *_joined_by(one),
    ]
    return ReviewBrief(facts, changes, follows, **_in_the_way(one))


def _joined_by(one: Transfer) -> list[str]:
    """Return which accounts an approval makes one person, where they are the decider's own; of
    another agency's accounts nobody is told."""
    if one.comes:
        return []
    same = Account.objects.with_number_of(one.account).exclude(pk=one.account_id)
    return [
        f"{one.destination}的{other.name}（{other}）登錄的身分證字號相同：核可後兩個帳號確認為同一人，"
        "時數合併採計。"
        for other in same.filter(agency=one.destination_id)
    ]


def _of_identities(one: IdentityChange) -> ReviewBrief:
    person, day = one.account, roc_date(one.since)
    before, after = what_if.of_person_if(person, identities=one.identities)
    department = person.department.name if person.department else _NOTHING
    facts = [
        ("同仁", f"{person.name}（{person.username}）"),
        ("部門", department),
        ("生效日", day),
        ("理由", one.reason),
    ]
    changes = [
        Change("資安列管身分", person.get_identities_display(), one.get_identities_display()),
        *lights(before, after),
    ]
    follows = [
        f"{day} 起依新的身分計算應完成時數；之前的不變。",
        *turns(before, after),
    ]
    return ReviewBrief(facts, changes, follows, **_in_the_way(one))


def _in_the_way(one: Transfer | IdentityChange) -> dict[str, Any]:
    """Describe the obstacles to an approval in the words of `ReviewBrief`."""
    later = timeline.later_than(one.account, one.since)
    return {
        "obstacle": deciding.obstacle_to(one),
        "only_platform": deciding.beyond_both_sides(one),
        "replaces": [str(step) for step in later],
    }


def lights(before: list[Line], after: list[Line]) -> list[Change]:
    """Each duty that the person has now, or would have."""
    now, then = ({(one.category, one.years): one for one in lines} for lines in (before, after))
    found = []
    for key in sorted({*now, *then}):
        old, new = now.get(key), then.get(key)
        title = (old or new).title  # type: ignore[union-attr]
        found.append(Change(title, *_sides(old, new), *_tones(old, new)))
    return found


def _sides(*lines: Line | None) -> list[str]:
    return [_in_words(line) if line else "不列管" for line in lines]


def _tones(*lines: Line | None) -> list[str]:
    return [line.light if line else "" for line in lines]


def _in_words(line: Line) -> str:
    return f"{line.word}（{in_hours(line.done)}／{in_hours(line.required)} 小時）"


def turns(before: list[Line], after: list[Line]) -> list[str]:
    """Whether the person as a whole stands otherwise afterwards."""
    if not before:
        return ["這位同仁目前不在職，沒有燈號。"]
    sides = [_worst(lines) for lines in (before, after)]
    if sides[0] == sides[1]:
        return [f"整體仍是「{sides[0]}」。{_JUDGED}"]
    return [f"整體由「{sides[0]}」變成「{sides[1]}」。{_JUDGED}"]


def _worst(lines: list[Line]) -> str:
    lights = {line.light for line in lines}
    return next((word for light, word in WORDS.items() if light in lights), "不列管")


def _first_code(account: Any, by: Account) -> tuple[str, str] | None:
    """Let the new account's owner have a code; say where it went to who may keep accounts."""
    page = reverse("people:page", args=[account.pk])
    try:
        reset = password_reset_actions.first(account, by=by)
        words = (
            f"{account.username} 的一次性代碼等候另一位管理者確認"
            if reset.is_waiting
            else f"{account.username} 的一次性代碼已寄到 {reset.sent_to}"
        )
    except ActionRefused as reason:
        words = f"{reason}之後到 {account.username} 的網頁按「重設密碼」"
    return (words, page) if by.may(Right.EDIT_PEOPLE) else None


# --- 重設密碼 ------------------------------------------------------------------------------------


def _of_reset(one: PasswordReset) -> ReviewBrief:
    account = one.account
    seen = account.last_seen_at
    facts = [
        ("同仁", f"{account.name}（{account.username}）"),
        ("角色", account.get_role_display()),
        ("申請", f"{one.asked_by.name}（{one.asked_by}）"),
        ("要確認的原因", one.because),
        ("電子郵件", account.email),
        ("最近使用", roc_moment(seen) if seen else "－"),
    ]
    if changed := list(password_reset_actions.changes_of_email(account)):
        words = "、".join(f"{roc_moment(one.at)} 由{one.by.name}（{one.by}）" for one in changed)
        facts.append(("電子郵件變更", words))
    changes = [Change("密碼", "不變", "失效，由本人以代碼設定"), Change("登入", "不變", "全部結束")]
    follows = [
        "請先向本人確認，是他自己要求重設密碼。",
        "代碼會寄到本人的電子郵件，不會顯示給任何人。"
        if password_reset_actions.goes_by_mail(one)
        else "核可後代碼只顯示給您一次，請您親自交給本人，不要交給申請的人。",
    ]
    return ReviewBrief(facts, changes, follows)


def _decide_reset(
    one: PasswordReset,
    *,
    accept: bool,
    comment: str,
    by: Account,
    in_place_of: Account | None = None,
) -> Page | PasswordReset:
    """Refuse it, or say the second yes: then a code that was not mailed is shown, once."""
    if in_place_of:
        raise ActionRefused("重設密碼要由管理者親自確認，不能代理。")
    if not accept:
        return password_reset_actions.refuse(one, comment=comment, by=by)
    issued = password_reset_actions.approve(one, comment=comment, by=by)
    if not issued.code:
        return issued.reset
    context = {"issued": issued, "minutes": settings.RESET_CODE_MINUTES}
    return Page("reviews/reset_code.html", context)


def _where_it_went(done: Any, by: Account) -> tuple[str, str] | None:
    sent = isinstance(done, PasswordReset) and done.sent_to
    return (f"代碼已寄到 {done.sent_to}", reverse("reviews:queue")) if sent else None


# --- 同一人確認 ----------------------------------------------------------------------------------


def _of_person_link(one: PersonLink) -> ReviewBrief:
    facts = []
    for title, account in (("帳號", one.other), ("另一個帳號", one.account)):
        department = f"　{account.department.path}" if account.department else ""
        facts += [
            (title, f"{account.name}（{account}），{account.get_status_display()}"),
            (f"{title}的機關", f"{account.agency}{department}"),
        ]
    asker = f"{one.asked_by.agency}的{one.asked_by.name}" if one.asked_by else "平台匯入的名冊"
    facts += [("身分證字號", f"{one.other.masked_id}（兩個帳號相同）"), ("登錄", asker)]
    changes = [Change("時數與達標狀況", "各自採計", "合併採計")]
    follows = [
        "知道號碼的人不一定是本人：請先向本人或人事單位查證，再核可。",
        "核可後本人用任一個帳號都看得到兩邊的時數，並通知兩個帳號；認列申請與證明文件仍各屬原來的帳號。",
        "不同意時兩邊各自獨立，對方不會知道；號碼沒有重新登錄，就不再詢問。",
    ]
    return ReviewBrief(facts, changes, follows, warning=_warning(one))


def _warning(one: PersonLink) -> str:
    if _same_names(one):
        return ""
    names = f"「{one.other.name}」與「{one.account.name}」"
    return f"兩個帳號的姓名不同：{names}。可能是打錯號碼，也可能有人冒用。"


def _same_names(one: PersonLink) -> bool:
    """Both ways, because a placeholder in either fits any character of the other."""
    names = one.account.name, one.other.name
    return same_name(*names) and same_name(*reversed(names))


APPLICATION = Deciding(
    "application", deciding.decide_application, _of_application, after=_first_code
)
TRANSFER = Deciding("transfer", deciding.decide_transfer, _of_transfer)
PERSON_LINK = Deciding(
    "person",
    deciding.decide_person_link,
    _of_person_link,
    comment_hint="不同意時必填；不同意的理由只有本機關與平台看得到。",
)
IDENTITIES = Deciding("identities", deciding.decide_identities, _of_identities)
RESET = Deciding("reset", _decide_reset, _of_reset, after=_where_it_went, in_person=True)
