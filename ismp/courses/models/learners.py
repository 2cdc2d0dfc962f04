"""Fields that enrolments and sign-ups share."""

from django.db import models

from ismp.accounts.models import Scoped
from ismp.accounts.models.scoped import Row
from ismp.accounts.roles import Right
from ismp.audit.models import Audited
from ismp.hours.models import Record
from ismp.hours.portal_import.layout import CATEGORIES


class OfPeople(Scoped[Row]):
    """Learning that a person may see: that of the agency's people, or all."""

    right = Right.VIEW_COURSES
    agency_of = "account__agency"


class Way(models.TextChoices):
    """How somebody came to a course."""

    SELF = "self", "自行報名"
    DUTY = "duty", "依學習地圖指派"
    LIST = "list", "依名單指派"


class Category(models.TextChoices):
    """The tabs of 未完成課程; only the first two count towards the duties of the Act."""

    BASIC = "522", "資通安全通識教育訓練"
    PROFESSIONAL = "523", "資通安全專業教育訓練"
    SYSTEM = "system", "系統發展教育訓練"
    GENERAL = "general", "一般系統教育訓練"

    @property
    def counts(self) -> bool:
        """Whether its hours are a learning record: only 522 and 523 are, by the Act."""
        return self.value in map(str, CATEGORIES)


class Completion(Audited):
    """The credit of a completed course, as of its completion: a course that is edited
    later changes nothing of it (docs/adr/0030).

    Empty until then.  What counts of it now is said by its record, which an agency may have
    deleted, or an import corrected.
    """

    title = models.CharField("完成的課程名稱", max_length=200, blank=True)
    category = models.CharField("完成的課程類別", max_length=10, choices=Category, blank=True)
    organizer_code = models.TextField("學習機關(構)編號", blank=True)
    organizer_name = models.TextField("學習機關(構)名稱", blank=True)
    hours = models.PositiveIntegerField("取得時數", null=True)
    """In thousandths; null until completed, and again when the completion was withdrawn."""
    completed_at = models.DateTimeField(null=True)
    record = models.ForeignKey(
        Record, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    """The learning record; null of a category whose hours are none."""

    class Meta:
        abstract = True

    @property
    def counted_hours(self) -> int | None:
        """The hours (thousandths) that count now: those of the record, while it counts; of a
        category that has no records, those earned.  None where nothing counts."""
        if not self.hours or self.record is None:
            return None if self._has_records else self.hours or None
        return self.record.hours if self.record.deletion_id is None else None

    @property
    def _has_records(self) -> bool:
        return not self.category or Category(self.category).counts

    @property
    def counting(self) -> str:
        """Whether the hours count, in words; empty where none were earned."""
        if not self.hours:
            return ""
        if not self._has_records:
            return "不列入終身學習時數"
        deletion = self.record.deletion if self.record else None
        if self.record and deletion is None:
            return "採計"
        if deletion and deletion.duplicates:
            return "不採計：與匯入的時數重複"
        if deletion and deletion.run_id is None:
            return "不採計：機關已刪除"
        return "不採計：已收回"
