"""Deeds on 學習地圖: write, change and end rules, their examples, and the policy.

Whatever is changed, all worked examples must give their verdicts afterwards; one that does not
refuses the deed.
"""

from datetime import date
from typing import Any

from django.db import transaction

from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.audit.trail import NotPossible
from ismp.compliance.models import Example, PolicyVersion, Rule, RuleVersion
from ismp.compliance.standing import InForce
from ismp.hours.models import in_hours
from ismp.ui import roc


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
    """A duty that was not there before.  Raises NotPossible."""
    _hold()
    rule = Rule.objects.create(identity=identity, categories=categories, years=years)
    change_rule(rule, grades=grades, hours=hours, citation=citation, since=since, by=by)
    return rule


@transaction.atomic
def change_rule(
    rule: Rule, *, grades: str, hours: int, citation: str, since: date, by: Account
) -> RuleVersion:
    """What the rule asks from a day on; earlier days stay judged as they were."""
    _hold()
    version = RuleVersion.objects.create(
        rule=rule,
        grades=grades,
        hours=hours,
        citation=citation,
        since=since,
        recorded_by=by.username,
    )
    _prove()
    _record("change_rule", by, rule, since=since, hours=in_hours(hours), grades=grades)
    return version


@transaction.atomic
def end_rule(rule: Rule, *, citation: str, since: date, by: Account) -> RuleVersion:
    """From that day on the rule asks for nothing."""
    _hold()
    held: Any = rule.versions.order_by("since", "pk").last()
    version = RuleVersion.objects.create(
        rule=rule,
        grades=held.grades,
        hours=None,
        citation=citation,
        since=since,
        recorded_by=by.username,
    )
    _prove()
    _record("end_rule", by, rule, since=since)
    return version


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
    _record("add_example", by, rule, example=title)
    return example


@transaction.atomic
def remove_example(example: Example, *, by: Account) -> None:
    example.delete()
    _record("remove_example", by, example.rule, example=example.title)


@transaction.atomic
def set_policy(
    *, two_years: str, grace_days: int, unlisted: bool, since: date, by: Account
) -> PolicyVersion:
    """What holds from a day on where the law is silent."""
    _hold()
    version = PolicyVersion.objects.create(
        two_years=two_years,
        grace_days=grace_days,
        unlisted=unlisted,
        since=since,
        recorded_by=by.username,
    )
    _prove()
    trail.record(
        "set_policy",
        actor=by.username,
        since=roc.roc_date(since),
        two_years=version.get_two_years_display(),
        grace_days=grace_days,
        unlisted=unlisted,
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
            raise NotPossible(
                f"「{example.rule}」的範例「{example.title}」應為{in_words(example.missing)}，"
                f"這樣存檔會變成{in_words(found)}；請更正，或先刪除這個範例。"
            )


def in_words(missing: int | None) -> str:
    """What is missing in a worked example, in words."""
    if missing is None:
        return "沒有義務"
    return f"還差 {in_hours(missing)} 小時" if missing else "已達標"


def _record(verb: str, by: Account, rule: Rule, **detail: Any) -> None:
    told = {name: roc.roc_date(v) if isinstance(v, date) else v for name, v in detail.items()}
    trail.record(verb, actor=by.username, subject=f"rule:{rule.pk}", rule=str(rule), **told)
