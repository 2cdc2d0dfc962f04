"""部門管理 as data (`ismp.ui.module` says what each line means)."""

from typing import Any

from ismp.accounts import departments
from ismp.accounts.forms import DepartmentForm, MergeForm
from ismp.accounts.models import Agency, Department
from ismp.accounts.roles import Right
from ismp.ui.module import Column, Deed, Filter, Module


def agencies(user: Any) -> list[tuple[str, str]]:
    """The choices of a filter by agency, for those who see several."""
    if not user.may(Right.ALL_AGENCIES):
        return []
    return [(str(agency.pk), agency.name) for agency in Agency.objects.all()]


AGENCY = Column("機關", "agency.name", right=Right.ALL_AGENCIES)
OF_AGENCY = Filter("agency", "機關", agencies)


def _state(department: Department) -> str:
    return f"已併入{department.merged_into}" if department.merged_into else "使用中"


DEPARTMENTS = Module(
    name="departments",
    title="部門管理",
    thing="部門",
    rows=lambda user: (
        Department.objects.visible_to(user)
        .with_people()
        .select_related("agency", "merged_into")
        .order_by("agency", "path")
    ),
    columns=(
        Column("部門", "path"),
        AGENCY,
        Column("在職人數", "people", "number"),
        Column("資訊單位", "is_it"),
        Column("狀態", _state, tone=lambda one: "" if one.merged_into_id else "green"),
    ),
    search={"name": "部門", "path": "上級部門"},
    filters=(
        OF_AGENCY,
        Filter(
            "state",
            "狀態",
            [("open", "使用中"), ("merged", "已合併")],
            lambda rows, choice: rows.filter(merged_into__isnull=choice == "open"),
        ),
    ),
    view=Right.VIEW_PEOPLE,
    edit=Right.EDIT_PEOPLE,
    form=DepartmentForm,
    save=departments.save_department,
    deeds=(
        Deed(
            "merge",
            "合併",
            Right.EDIT_PEOPLE,
            departments.merge,
            MergeForm,
            explains="從今天起，這些部門的人員與下級部門都改屬併入的部門；過去的任職紀錄不變。",
            fits=lambda user, one: not one.merged_into_id,
        ),
    ),
    empty="匯入名冊時會自動建立部門，也可以按「新增部門」。",
)
