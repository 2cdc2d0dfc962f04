"""Actions on departments: keep their tree, merge them with the people in them.

Whoever changes a tree holds its agency, so that two changes together cannot make a circle.
"""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts import effective_dated, verbs
from ismp.accounts.models import Account, Agency, Department, Posting, Status
from ismp.audit import changes, trail
from ismp.errors import ActionRefused
from ismp.ui.resources import versions

_DEEPEST = 6


@transaction.atomic
def save_department(department: Department, *, by: Account) -> Department:
    """Add a department or change its name, its place in the tree, whether it is the IT unit.

    Those below move with it.  An agency has one IT unit: the mark goes over.  Raises ActionRefused.
    """
    agency = _hold(department.agency_id)
    of_agency = {one.pk: one for one in agency.departments.all()}
    above, before = _above(department, of_agency), changes.stored(department)
    if department.is_it:
        _unmark_it_unit(agency, department, by)
    department.path = Department.PATH.join([*(one.name for one in above), department.name])
    changes.store(department, before)
    of_agency[department.pk] = department
    _write_paths(department, of_agency, len(above))
    trail.record(
        verbs.SAVE_DEPARTMENT,
        department,
        actor=by.username,
        department=department.path,
        it_unit=department.is_it,
        changes=changes.between(before, department, "path"),
    )
    return department


def _unmark_it_unit(agency: Agency, new: Department, by: Account) -> None:
    for former in agency.departments.exclude(pk=new.pk).filter(is_it=True):
        before = changes.stored(former)
        former.is_it = False
        former.save(update_fields=["is_it"])
        trail.record(
            verbs.SAVE_DEPARTMENT,
            former,
            actor=by.username,
            department=former.path,
            changes=changes.between(before, former, "path"),
        )


def _hold(agency_id: int) -> Agency:
    return Agency.objects.select_for_update(no_key=True).get(pk=agency_id)


def hold_trees(keys: list[int]) -> None:
    """Hold the agencies of departments that are about to be changed."""
    agencies = Department.objects.filter(pk__in=keys).values_list("agency", flat=True)
    versions.hold(Agency.objects.all(), agencies)


def _above(department: Department, of_agency: dict[int, Department]) -> list[Department]:
    """The departments over this one, from the top; raises ActionRefused when that cannot be."""
    above: list[Department] = []
    at = department.parent_id
    while at:
        if at == department.pk:
            raise ActionRefused("上級部門不能是自己或自己的下級部門，請重新選擇上級部門。")
        if at not in of_agency or of_agency[at].merged_into_id:
            raise ActionRefused("上級部門必須是同一機關使用中的部門，請重新選擇上級部門。")
        above.insert(0, of_agency[at])
        at = of_agency[at].parent_id
    return above


def _write_paths(top: Department, of_agency: dict[int, Department], depth: int) -> None:
    """Tell those below where they stand now."""
    if depth >= _DEEPEST:
        raise ActionRefused(f"部門最多 {_DEEPEST} 層，請選擇較上層的部門作為上級部門。")
    for one in of_agency.values():
        if one.parent_id == top.pk:
            one.path = f"{top.path}{Department.PATH}{one.name}"
            one.save(update_fields=["path"])
            _write_paths(one, of_agency, depth + 1)


@transaction.atomic
def merge(departments: QuerySet[Department], *, into: Department, by: Account) -> str:
    """Let departments be part of another one from today on: their people and those below go there.

    Raises ActionRefused.  Returns what was done.
    """
    agency = _hold(into.agency_id)
    chosen = list(departments.values_list("pk", flat=True))
    # People before departments, as `assign` does; who is assigned to one meanwhile goes along.
    serving = Account.objects.filter(department__in=chosen).values_list("pk", flat=True)
    versions.hold(Account.objects.all(), serving)
    versions.hold(Department.objects.all(), [*chosen, into.pk])
    into = Department.objects.get(pk=into.pk)
    going = list(departments.order_by("pk"))
    if any(one.agency_id != agency.pk for one in going) or into.merged_into_id:
        raise ActionRefused("只能併入同一機關使用中的部門，請重新選擇。")
    if any(one.merged_into_id for one in going):
        raise ActionRefused("選取的部門裡有已經合併過的，請只選使用中的部門。")
    keys = {one.pk for one in going}
    above, at = {into.pk}, into.parent_id
    while at:
        above.add(at)
        at = Department.objects.get(pk=at).parent_id
    if keys & above:
        raise ActionRefused("不能併入自己或自己的下級部門，請重新選擇。")
    people = _move_people(keys, into, by)
    Department.objects.filter(merged_into__in=keys).update(merged_into=into)
    Department.objects.filter(parent__in=keys).exclude(pk__in=keys).update(parent=into)
    Department.objects.filter(pk__in=keys).update(merged_into=into, parent=None, is_it=False)
    of_agency = {one.pk: one for one in agency.departments.all()}
    _write_paths(into, of_agency, len(above) - 1)
    for one in going:
        Department.objects.filter(pk=one.pk).update(path=one.name)
        trail.record(
            verbs.MERGE_DEPARTMENTS, one, actor=by.username, department=one.name, into=into.name
        )
    return f"已將 {len(going)} 個部門併入「{into.name}」，{people} 人改在該部門任職。"


def _move_people(departments: set[int], into: Department, by: Account) -> int:
    """Write for everybody who serves there, or will, that it is `into` from now on.

    Returns how many of them are in office.
    """
    now, today = timezone.now(), timezone.localdate()
    of_people = Posting.objects.filter(account__department__in=departments)
    holding = [one for one in of_people.on(today) if one.department_id in departments]
    to_come = Posting.objects.standing().filter(department__in=departments, since__gt=today)
    changed = [*holding, *to_come]
    same_day = [one for one in changed if one.since >= today]
    effective_dated.cancel_all(same_day, reason=f"部門併入{into.name}", by=by.username, at=now)
    Posting.objects.bulk_create(
        Posting(
            account_id=one.account_id,
            agency_id=one.agency_id,
            department=into,
            identities=one.identities,
            status=one.status,
            since=max(one.since, today),
            recorded_at=now,
            recorded_by=by.username,
        )
        for one in changed
    )
    moved = Account.objects.filter(pk__in=[one.account_id for one in holding])
    moved.update(department=into)
    return moved.filter(status=Status.ACTIVE).count()
