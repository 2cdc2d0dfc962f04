"""Actions on agencies: add, edit, rename, name the 資安長, and cancel what was entered by mistake.

責任等級 is `accounts.actions.postings.grade`; 合併 and 裁撤 are in `closing`.  Each locks its
agency.
"""

from datetime import date

from django.db import transaction
from django.utils import timezone

from ismp.accounts import effective_dated, verbs
from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Account, Agency, AgencyName, SecurityOfficer, Status
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.text import roc_dates


def hold(agency: Agency) -> Agency:
    """The agency as it is now, locked until the transaction ends."""
    return Agency.objects.select_for_update(of=("self",), no_key=True).get(pk=agency.pk)


@transaction.atomic
def save_agency(agency: Agency, *, by: Account) -> Agency:
    """Add an agency, or keep another parent or contact; a name has its day (`rename`).

    Raises ActionRefused.
    """
    before = changes.stored(agency)
    trail.hold()  # two that are put under each other at once would make a circle
    agency.code = fold_code(agency.code)
    _keep_out_of_circles(agency)
    changes.store(agency, before)
    trail.record(
        verbs.SAVE_AGENCY if before else verbs.ADD_AGENCY,
        agency,
        actor=by.username,
        changes=changes.between(before, agency),
    )
    return agency


def _keep_out_of_circles(agency: Agency) -> None:
    above = dict(Agency.objects.values_list("pk", "parent"))
    at = agency.parent_id
    if agency.parent:
        agency.parent.refresh_from_db()
    if agency.parent and (reason := agency.parent.why_closed(timezone.localdate())):
        raise ActionRefused(reason)
    while at:
        if at == agency.pk:
            raise ActionRefused("上級機關不能是自己或自己的下級機關，請重新選擇上級機關。")
        at = above[at]


@transaction.atomic
def rename(
    agency: Agency, name: str, *, since: date, replace: bool = False, by: Account
) -> AgencyName:
    """Call an agency otherwise from a day on; documents of earlier days keep the old name.

    Raises LaterEntry, ActionRefused.
    """
    agency = hold(agency)
    if reason := agency.why_closed(since):
        raise ActionRefused(reason)
    former = agency.name_on(since)
    if not agency.names.standing().exists():
        AgencyName.objects.create(
            agency=agency, name=agency.name, since=AgencyName.FIRST, recorded_by=trail.SYSTEM
        )
    entry = AgencyName(agency=agency, name=name, since=since, recorded_by=by.username)
    later = [f"{roc_dates.roc_date(one.since)} {one.name}" for one in entry.later()]
    effective_dated.add(entry, replace=replace, refusal=_refusal("改名", later, since))
    _copy_name(agency)
    trail.record(
        verbs.RENAME_AGENCY,
        agency,
        actor=by.username,
        since=roc_dates.roc_date(since),
        replaced="；".join(later),
        changes=[("機關名稱", former, name)],
    )
    return entry


@transaction.atomic
def cancel_name(entry: AgencyName, *, reason: str, by: Account) -> AgencyName:
    """Cancel a renaming, to come or mistaken.  Raises ActionRefused."""
    agency = hold(entry.agency)
    if entry.since == AgencyName.FIRST:
        raise ActionRefused("這是機關原來的名稱，不能取消；請用「改名」登記正確的名稱。")
    effective_dated.cancel(entry, reason=reason, by=by.username)
    _copy_name(agency)
    holds = agency.name_on(entry.since)
    trail.record(
        verbs.CANCEL_RENAME,
        agency,
        actor=by.username,
        since=roc_dates.roc_date(entry.since),
        reason=reason,
        changes=[("機關名稱", entry.name, holds)],
    )
    return entry


def _copy_name(agency: Agency) -> bool:
    """Call the agency what its names say of today; return whether it was called otherwise."""
    name = agency.name_on(timezone.localdate())
    if name == agency.name:
        return False
    agency.name = name
    agency.save(update_fields=["name"])
    return True


@transaction.atomic
def name_officer(
    agency: Agency,
    *,
    account: Account,
    deputy: Account | None = None,
    since: date,
    replace: bool = False,
    by: Account,
) -> SecurityOfficer:
    """登錄資安長 and the deputy, from a day on: active accounts of the agency.

    Raises LaterEntry, ActionRefused.
    """
    agency = hold(agency)
    if reason := agency.why_closed(since):
        raise ActionRefused(reason)
    for one in filter(None, [account, deputy]):
        if one.agency_id != agency.pk or one.status != Status.ACTIVE:
            raise ActionRefused(f"{one.name}不是「{agency}」的在職同仁，請重新選擇。")
    if deputy and deputy.pk == account.pk:
        raise ActionRefused("代理人不能是資安長本人，請重新選擇。")
    held = agency.security_officers.on(since).first()
    entry = SecurityOfficer(
        agency=agency, account=account, deputy=deputy, since=since, recorded_by=by.username
    )
    later = [f"{roc_dates.roc_date(one.since)} {one.in_words}" for one in entry.later()]
    effective_dated.add(entry, replace=replace, refusal=_refusal("登錄資安長", later, since))
    trail.record(
        verbs.NAME_OFFICER,
        agency,
        actor=by.username,
        since=roc_dates.roc_date(since),
        replaced="；".join(later),
        changes=[("資安長", held.in_words if held else "", entry.in_words)],
    )
    return entry


@transaction.atomic
def cancel_officer(entry: SecurityOfficer, *, reason: str, by: Account) -> SecurityOfficer:
    """Cancel that somebody was named 資安長.  Raises ActionRefused."""
    agency = hold(entry.agency)
    effective_dated.cancel(entry, reason=reason, by=by.username)
    held = agency.security_officers.on(entry.since).first()
    trail.record(
        verbs.CANCEL_OFFICER,
        agency,
        actor=by.username,
        since=roc_dates.roc_date(entry.since),
        reason=reason,
        changes=[("資安長", entry.in_words, held.in_words if held else "")],
    )
    return entry


def apply_due_names() -> int:
    """Let renamings whose day has come take effect; return for how many agencies.

    Called every hour by the worker.
    """
    today, count = timezone.localdate(), 0
    names = AgencyName.objects.on(today).select_related("agency")
    for entry in names:
        if entry.name != entry.agency.name:
            count += _begin_name(entry.agency)
    return count


@transaction.atomic
def _begin_name(agency: Agency) -> bool:
    agency = hold(agency)
    former = agency.name
    changed = _copy_name(agency)
    if changed:
        trail.record(
            verbs.BEGIN_NAME,
            agency,
            actor=trail.SYSTEM,
            changes=[("機關名稱", former, agency.name)],
        )
    return changed


def _refusal(what: str, later: list[str], since: date) -> str:
    return (
        f"之後已有「{what}」的登記：{'；'.join(later)}。生效日 {roc_dates.roc_date(since)} 比它早；"
        "請改填更後面的日期，或選擇「取代之後的登記」。"
    )
