"""Random histories: files, deletions, postings and rules, as hypothesis draws them."""

import contextlib
from datetime import timedelta
from random import Random

from django.db import transaction
from django.utils import timezone
from hypothesis import Phase, settings
from hypothesis import strategies as st

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.actions import postings as people
from ismp.accounts.identities import sets
from ismp.accounts.models import Agency, PersonLink, Status
from ismp.accounts.roles import Role
from ismp.errors import ActionRefused
from ismp.hours.models import Deletion, Record
from ismp.hours.records import unclaimed
from ismp.hours.records.actions import records
from ismp.imports.models import ImportRun
from ismp.ui.text import roc_dates
from tests.support import scenarios
from tests.support.accounts import account_named
from tests.support.crediting import credit
from tests.support.laws import take

A, B = scenarios.AGENCY_A, scenarios.AGENCY_B

WHO = {
    A: [scenarios.WANG, scenarios.XU, scenarios.MOVED_IN, scenarios.MOVED_AWAY],
    B: [scenarios.OF_B, scenarios.MOVED_IN, scenarios.WANG, scenarios.MOVED_AWAY],
}

ENDS = ["113-05-01", "114-12-31", "115-01-01", "115-06-30"]

DAYS = [roc_dates.parse(text) for text in ("113-12-31", "114-06-30", "115-06-30", "115-12-31")]


def agency(code):
    return Agency.objects.get(code=code)


def row(number, *, category="522", ended_on="", hours="3", title="概論"):
    ended_on = ended_on or roc_dates.roc_date(timezone.localdate())
    return scenarios.row(
        national_id=number,
        name="",
        category=category,
        title=title,
        started_on=ended_on,
        ended_on=ended_on,
        total=hours,
        digital_hours=hours,
        classroom_hours="0",
    )


def some_file(chance):
    code = chance.choice([A, B])
    return code, some_rows(chance, WHO[code])


def some_rows(chance, whom):
    return [
        row(
            chance.choice(whom),
            category=chance.choice(["522", "523"]),
            ended_on=chance.choice(ENDS),
            hours=chance.choice(["0.5", "1", "2", "3", "12"]),
            title=chance.choice(["甲", "乙"]),
        )
        for _ in range(chance.randint(1, 6))
    ]


def some_step(chance):
    """A file, the same rows from both agencies, a deletion, or one of the other actions."""
    others = ["delete", "undo", "restore", "move", "come or go", "credit"]
    others += ["confirm", "confirm", "revoke", "number"]
    action = chance.choice(["file", "file", "both", *others])
    if action == "file":
        return some_file(chance)
    if action == "both":
        return action, some_rows(chance, [scenarios.WANG, scenarios.MOVED_IN])
    if action == "credit":
        ended_on = roc_dates.parse(chance.choice(ENDS))
        earned = {"category": 522, "title": chance.choice(["甲", "乙"]), "ended_on": ended_on}
        return action, earned | {"digital_hours": chance.choice([1_000, 3_000])}
    if action == "number":
        numbers = chance.choice([scenarios.WANG, scenarios.MOVED_IN, scenarios.MOVED_AWAY, ""])
        return action, chance.choice(["b-sun", "b-movedin", "a-xu"]), numbers
    return (action, chance.choice([522, 523])) if action == "delete" else action


def some_services(chance):
    names = ("a-wang", "a-xu", "a-movedin", "b-sun")
    return {name: (chance.choice(sets()), chance.choice(DAYS)) for name in names}


chances = st.integers(0, 10**9).map(Random)

by_chance = settings(max_examples=settings.default.max_examples // 2, phases=[Phase.generate])
"""A chance cannot be made smaller: a failing one is shown as it is."""


def judge():
    """The platform's administrator, of agency B, with a number of nobody else."""
    found = account_named("b-qian")
    found.role = Role.PLATFORM_ADMIN
    found.save(update_fields=["role"])
    return found


def do(step, clerk, pairs):
    """Do it; `pairs` are the pairs of accounts that are confirmed to be one person's, as a plain
    model of them goes on."""
    if step == "undo":
        runs = [run for run in ImportRun.objects.all() if run.can_be_undone]
        if runs:
            records.undo(runs[0], by=clerk)
    elif step == "restore":
        deletion = next((one for one in Deletion.objects.all() if one.restorable), None)
        if deletion:
            records.restore(deletion, by=clerk)
    elif step == "move":
        wang = account_named("a-wang")
        to = B if wang.agency.code == A else A
        day = scenarios.TODAY - timedelta(200)
        with (
            contextlib.suppress(ActionRefused),
            transaction.atomic(),
        ):  # that number is there already
            people.assign(wang, agency=agency(to), since=day, replace=True, by="x")
    elif step == "come or go":
        moved = account_named("a-moved")
        to = Status.LEFT if moved.status == Status.ACTIVE else Status.ACTIVE
        with contextlib.suppress(ActionRefused), transaction.atomic():
            people.assign(moved, status=to, since=scenarios.TODAY, by="x")
        unclaimed.attach_due()
    elif step == "confirm":
        if link := PersonLink.objects.waiting().order_by("pk").first():
            with (
                contextlib.suppress(ActionRefused),
                transaction.atomic(),
            ):  # it may be the judge's own
                person_links.confirm(link, by=judge())
                pairs.add(frozenset((link.account_id, link.other_id)))
    elif step == "revoke":
        if link := PersonLink.objects.standing().order_by("pk").first():
            person_links.revoke(link, reason="弄錯了", by=judge())
            pairs.remove(frozenset((link.account_id, link.other_id)))
    elif step[0] == "number":
        account, number = account_named(step[1]), step[2]
        if number != account.national_id:
            with contextlib.suppress(ActionRefused), transaction.atomic():
                account_actions.set_national_id([account], number=number, by=judge())
                pairs -= {pair for pair in pairs if account.pk in pair}
    elif step[0] == "credit":
        credit("a-xu", started_on=step[1]["ended_on"], **step[1])
    elif step[0] == "both":
        take(scenarios.file(*step[1]), agency=A)
        do("move", clerk, pairs)
        take(scenarios.file(*step[1]), agency=B)
    elif step[0] == "delete":
        records.delete(Record.objects.live().filter(category=step[1]), reason="試", by=clerk)
    else:
        code, rows = step
        take(scenarios.file(*rows), agency=code)


def links():
    return PersonLink.objects.standing().values_list("account", "other")
