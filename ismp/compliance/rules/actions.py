"""Actions on 學習地圖: write, change and end rules, their examples, and the policy.

Whatever is changed, all worked examples must give their verdicts afterwards; one that does not
refuses the action.
"""

from datetime import date
from typing import Any, TypeVar

from django.db import transaction

from ismp.accounts import effective_dated
from ismp.accounts.models import Account
from ismp.audit import changes, trail
from ismp.compliance import verbs
from ismp.compliance.models import Example, PolicyVersion, Rule, RuleVersion
from ismp.compliance.standing.table import InForce
from ismp.errors import ActionRefused
from ismp.hours.models import in_hours
from ismp.ui.text import roc_dates

_Version = TypeVar("_Version", RuleVersion, PolicyVersion)


@transaction.atomic
def add_rule(
    *,
    identity: str,
    categories: str,
    years: int,
    grades: str,
    hours: int,
    citation: str,
    since: date,
    by: Account,
) -> Rule:
    """A duty that was not there before.  Raises ActionRefused."""
    _hold()
    rule = Rule.objects.create(identity=identity, categories=categories, years=years)
    change_rule(rule, grades=grades, hours=hours, citation=citation, since=since, by=by)
    return rule


@transaction.atomic
def change_rule(
    rule: Rule,
    *,
    grades: str,
    hours: int,
    citation: str,
    since: date,
    replace: bool = False,
    by: Account,
) -> RuleVersion:
    """Set what the rule asks from a day on; earlier days stay judged as they were.

    Later versions are replaced with `replace` only.  Raises LaterEntry, ActionRefused.
    """
    asked = {"grades": grades, "hours": hours, "citation": citation}
    version, detail = _add_version(RuleVersion(rule=rule, since=since, **asked), replace, by)
    trail.record(
        verbs.CHANGE_RULE, rule, actor=by.username, hours=in_hours(hours), grades=grades, **detail
    )
    return version


@transaction.atomic
def end_rule(
    rule: Rule, *, citation: str, since: date, replace: bool = False, by: Account
) -> RuleVersion:
    """From that day on the rule asks for nothing.  Raises LaterEntry, ActionRefused."""
    _hold()
    held: Any = rule.versions.on(since).first() or rule.versions.standing().last()
    if held is None or (held.hours is None and held.since <= since):
        raise ActionRefused(
            f"「{rule}」在 {roc_dates.roc_date(since)} 本來就沒有要求時數，不必停用。"
        )
    ended = RuleVersion(rule=rule, grades=held.grades, hours=None, citation=citation, since=since)
    version, detail = _add_version(ended, replace, by)
    trail.record(verbs.END_RULE, rule, actor=by.username, **detail)
    return version


def _add_version(version: _Version, replace: bool, by: Account) -> tuple[_Version, dict[str, Any]]:
    """Store a version, and prove it; return it and what the event says of it."""
    _hold()
    version.recorded_by = by.username
    held = version.siblings().filter(since__lte=version.since).last()
    named = "；".join(one.in_words for one in version.later())
    effective_dated.add(
        version,
        replace=replace,
        refusal=f"之後已有：{named}。生效日 {roc_dates.roc_date(version.since)} 比它早；"
        "請改填更後面的日期，或選擇「取代之後的版本」。",
    )
    _prove()
    changed = changes.between(held, version, *effective_dated.BOOKKEEPING)
    since = roc_dates.roc_date(version.since)
    return version, {"since": since, "replaced": named, "changes": changed}


@transaction.atomic
def cancel_version(version: RuleVersion, *, reason: str, by: Account) -> RuleVersion:
    """Cancel a version of a rule; what it had replaced holds again.  Raises ActionRefused."""
    _cancel(version, reason, by)
    trail.record(
        verbs.CANCEL_RULE,
        version.rule,
        actor=by.username,
        cancelled=version.in_words,
        reason=reason,
    )
    return version


@transaction.atomic
def cancel_policy(version: PolicyVersion, *, reason: str, by: Account) -> PolicyVersion:
    """Cancel a policy; what it had replaced holds again.  Raises ActionRefused."""
    _cancel(version, reason, by)
    trail.record(verbs.CANCEL_POLICY, actor=by.username, cancelled=version.in_words, reason=reason)
    return version


def _cancel(version: Any, reason: str, by: Account) -> None:
    _hold()
    effective_dated.cancel(version, reason=reason, by=by.username)
    _prove()


@transaction.atomic
def add_example(
    rule: Rule,
    *,
    title: str,
    on: date,
    grade: str,
    records: list[list[Any]],
    missing: int | None,
    by: Account,
) -> Example:
    """Write down what must come out of a case; refused when it does not come out today."""
    _hold()
    example = Example.objects.create(
        rule=rule, title=title, on=on, grade=grade, records=records, missing=missing
    )
    _prove()
    trail.record(verbs.ADD_EXAMPLE, rule, actor=by.username, example=title)
    return example


@transaction.atomic
def remove_example(example: Example, *, by: Account) -> None:
    """Take a worked example away.  Raises ActionRefused when somebody else has."""
    _hold()
    if not Example.objects.filter(pk=example.pk).exists():
        raise ActionRefused("這個範例已經有人刪除了，請重新整理這一頁。")
    example.delete()
    trail.record(verbs.REMOVE_EXAMPLE, example.rule, actor=by.username, example=example.title)


@transaction.atomic
def set_policy(
    *,
    two_years: str,
    grace_days: int,
    unlisted: bool,
    since: date,
    replace: bool = False,
    by: Account,
) -> PolicyVersion:
    """Set the policy from a day on where the law is silent.  Raises LaterEntry, ActionRefused."""
    chosen = {"two_years": two_years, "grace_days": grace_days, "unlisted": unlisted}
    version: PolicyVersion
    version, detail = _add_version(PolicyVersion(since=since, **chosen), replace, by)
    trail.record(
        verbs.SET_POLICY,
        actor=by.username,
        two_years=version.get_two_years_display(),
        grace_days=grace_days,
        unlisted=unlisted,
        **detail,
    )
    return version


def _hold() -> None:
    """Two changes that are right each for itself may not be so together."""
    list(Rule.objects.select_for_update().order_by("pk"))


def _prove() -> None:
    """Run every worked example by the rules of its day."""
    in_force: dict[date, InForce] = {}
    for example in Example.objects.select_related("rule"):
        held = in_force.setdefault(example.on, InForce.on(example.on))
        found = example.verdict(list(held.duties), held.policy)
        if found != example.missing:
            raise ActionRefused(
                f"「{example.rule}」的範例「{example.title}」應為{in_words(example.missing)}，"
                f"這樣存檔會變成{in_words(found)}；請更正，或先刪除這個範例。"
            )


def in_words(missing: int | None) -> str:
    """Describe the missing hours of a worked example in words."""
    if missing is None:
        return "沒有義務"
    return f"還差 {in_hours(missing)} 小時" if missing else "已達標"
