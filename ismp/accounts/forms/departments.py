"""Forms about departments."""

from typing import Any

from django import forms

from ismp.accounts.forms.fields import DepartmentField, OfAgencyForm
from ismp.accounts.models import Department
from ismp.ui.forms import ActionForm


class DepartmentForm(OfAgencyForm):
    refuses = ("name", "department")
    settles = ("is_it",)
    department = DepartmentField(label="上級部門", help_text="最上層的部門免填。")

    class Meta:
        model = Department
        fields = ["agency", "name", "is_it"]
        help_texts = {
            "is_it": "一個機關只有一個資訊單位；勾選後，原來的部門就不再是資訊單位。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["agency", "name", "department", "is_it"])
        department: Any = self.fields["department"]
        department.offer(self.agency, but=self.instance.pk)
        department.initial = self.instance.parent.name if self.instance.parent else ""

    def clean_department(self) -> str:
        name: str = self.cleaned_data["department"]
        self.instance.parent = DepartmentField.find(self.agency, name)
        return name


class MergeForm(ActionForm):
    into = forms.ModelChoiceField(
        Department.objects.none(), label="併入的部門", empty_label="（請選擇）"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Department.objects.visible_to(self.user).open()
        others = others.filter(agency=self.things[0].agency_id)
        into: Any = self.fields["into"]
        into.queryset = others.exclude(pk__in=[one.pk for one in self.things])
        into.label_from_instance = lambda one: one.path
