"""部門管理: the tree of an agency, merging departments with the people in them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ismp.accounts.actions import departments as department_actions
from ismp.accounts.actions import postings
from ismp.accounts.models import Account, Department, Posting
from ismp.audit.models import Event
from ismp.errors import ActionRefused
from tests.support.concurrency import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def by(account):
    return account("IC1001", "agency_admin")


@pytest.fixture
def make(by):
    def save(name, parent=None, agency=None, **fields):
        fields = {"agency": agency or by.agency, "name": name, "parent": parent, **fields}
        return department_actions.save_department(Department(**fields), by=by)

    return save


def departments(*names):
    return Department.objects.filter(name__in=names)


def test_those_below_move_along_and_are_listed_by_their_place(make, by):
    top, other = make("資訊處"), make("行政處")
    middle = make("系統科", top)
    leaf = make("開發股", middle)
    middle.parent, middle.name = other, "應用科"
    department_actions.save_department(middle, by=by)
    leaf.refresh_from_db()
    assert leaf.path == "行政處 / 應用科 / 開發股"
    assert Event.objects.order_by("-number").first().detail["department"] == "行政處 / 應用科"


@pytest.mark.parametrize("to", ["itself", "child", "grandchild"])
def test_a_department_cannot_stand_below_itself(make, by, to):
    top = make("資訊處")
    child = make("系統科", top)
    below = {"itself": top, "child": child, "grandchild": make("開發股", child)}
    top.parent = below[to]
    with pytest.raises(ActionRefused, match="不能是自己"):
        department_actions.save_department(top, by=by)


def test_neither_too_deep_nor_under_another_agency(make, by, account):
    parent = None
    for level in range(6):
        parent = make(f"第{level}層", parent)
    with pytest.raises(ActionRefused, match="最多 6 層"):
        make("第七層", parent)
    theirs = account("EP1001").agency.departments.first()
    with pytest.raises(ActionRefused, match="同一機關"):
        make("某科", theirs)


def test_an_agency_has_one_it_unit(make, account):
    first, theirs = make("資訊一科", is_it=True), account("EP1001").agency
    make("資訊科二", agency=theirs, is_it=True)
    second = make("資訊二科", is_it=True)
    assert set(Department.objects.filter(is_it=True)) == {second, departments("資訊科二").get()}
    assert not departments(first.name).get().is_it


def test_merging_takes_people_and_departments_along_from_today_on(make, by, account):
    today = timezone.localdate()
    going, into = departments("秘書室").get(agency=by.agency), make("綜合處")
    below = make("文書股", going)
    people = list(Account.objects.filter(department=going))
    assert people
    later = account("IC1001")
    postings.assign(later, department=going, since=today + timedelta(days=9), by="x")
    before = Posting.objects.count()
    department_actions.merge(departments("秘書室").filter(agency=by.agency), into=into, by=by)
    for person in people:
        person.refresh_from_db()
        assert person.department == into
        assert person.postings.on(today).get().department == into
        assert person.postings.on(today - timedelta(days=1)).get().department == going
    assert later.postings.on(today + timedelta(days=9)).get().department == into
    assert Posting.objects.count() == before + len(people) + 1
    below.refresh_from_db()
    assert (below.parent, below.path) == (into, "綜合處 / 文書股")
    assert into in Department.objects.open() and going not in Department.objects.open()
    event = Event.objects.get(verb="merge_departments")
    assert (event.subject, event.detail["into"]) == (f"department:{going.pk}", "綜合處")


def test_a_roster_that_still_names_a_merged_department_means_the_one_it_is_in(make, by, city):
    from ismp.accounts import demo_data

    into = make("綜合處")
    department_actions.merge(departments("秘書室").filter(agency=by.agency), into=into, by=by)
    result = postings.import_roster(demo_data.roster_csv(city).encode(), by="test")
    assert (result.created, result.updated) == (0, 0)


def test_what_cannot_be_merged(make, by, account):
    top = make("資訊處")
    child = make("系統科", top)
    with pytest.raises(ActionRefused, match="不能併入自己"):
        department_actions.merge(departments("資訊處"), into=child, by=by)
    with pytest.raises(ActionRefused, match="同一機關"):
        department_actions.merge(
            departments("資訊處"), into=account("EP1001").agency.departments.first(), by=by
        )
    department_actions.merge(departments("系統科"), into=top, by=by)
    with pytest.raises(ActionRefused, match="已經合併過"):
        department_actions.merge(departments("系統科"), into=top, by=by)
    with pytest.raises(ActionRefused, match="使用中的部門"):
        make("新科", departments("系統科").get())
    assert not Event.objects.filter(verb="merge_departments", subject=f"department:{top.pk}")


def test_names_are_distinguished_by_agency_in_the_form(client, by, account):
    client.force_login(by)
    name = by.agency.departments.first().name
    answer = client.post("/manage/departments/add/", {"name": name})
    assert "已有同名的部門" in answer.content.decode()
    client.force_login(account("IC1001", "platform_admin"))
    other = account("CU1001").agency
    made = client.post("/manage/departments/add/", {"name": "新部門", "agency": other.pk})
    assert made.status_code == 302
    assert Department.objects.get(name="新部門").agency == other


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_two_changes_at_once_make_no_circle(make, by):
    first, second = make("甲處"), make("乙處")

    def put(department, under):
        department.parent = under
        department_actions.save_department(department, by=by)
        return "moved"

    outcomes = at_once(lambda: put(first, second), lambda: put(second, first))
    assert outcomes.count("moved") == 1


@pytest.mark.parametrize("role", ["agency_admin", "platform_admin"])
def test_the_mark_of_the_it_unit_moves_by_the_form_too(client, account, make, role):
    """As its help text says: to a new department and to one that there was."""
    by = account("IC1001", role)
    client.force_login(by)
    first, second = make("資訊一科", is_it=True), make("資訊二科")
    own = {"agency": by.agency_id} if role == "platform_admin" else {}
    client.post("/manage/departments/add/", {"name": "資訊三科", "is_it": "on", **own})
    assert list(departments("資訊一科", "資訊二科", "資訊三科").filter(is_it=True)) == [
        *departments("資訊三科")
    ]
    edit = f"/manage/departments/{second.pk}/edit/"
    client.post(edit, {"name": "資訊二科", "is_it": "on"})
    assert list(Department.objects.filter(agency=by.agency, is_it=True)) == [second]
    detail = Event.objects.filter(subject=f"department:{first.pk}").latest("number").detail
    assert detail["changes"] == [["資訊單位", "是", "否"]]
    again = client.post("/manage/departments/add/", {"name": "資訊二科", **own}).content.decode()
    assert "已有同名的部門" in again


def test_nobody_is_assigned_to_a_department_that_was_merged(make, by, account):
    former, into, person = make("甲處"), make("乙處"), account("IC1003")
    department_actions.merge(departments("甲處"), into=into, by=by)
    with pytest.raises(ActionRefused, match="已併入其他部門"):
        postings.assign(person, department=former, since=timezone.localdate(), by="x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_who_is_assigned_while_a_department_is_merged_goes_along(make, by, account):
    today = timezone.localdate()
    for number in range(5):  # whoever comes first
        former, into = make(f"甲{number}處"), make(f"乙{number}處")
        person = account("IC1003")
        at_once(
            lambda f=former, p=person: postings.assign(p, department=f, since=today, by="x"),
            lambda f=former, i=into: department_actions.merge(departments(f.name), into=i, by=by),
        )
        person.refresh_from_db()
        assert person.department_id != former.pk
