"""Forms of courses."""

import re
import unicodedata
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ismp.accounts.forms.fields import OfAgencyForm
from ismp.accounts.identities import Identity
from ismp.accounts.models import Account, Status
from ismp.accounts.roles import Right
from ismp.courses.classroom.actions.classes import Timing
from ismp.courses.models import Course, Kind, Material, Question, Quiz, Session, Teacher, Way
from ismp.courses.online import files
from ismp.hours.models import in_hours
from ismp.ui.forms import ActionForm, ModelForm, ResourceForm, RocDateField
from ismp.ui.reading.file_types import FileTypeRejected
from ismp.ui.text import roc_dates

_HOURS = re.compile(r"\d{1,3}(\.\d{1,3})?", re.ASCII)
_TIMING = re.compile(
    r"(?P<day>\S+)\s+(?P<start>\d{1,2}:\d{2})\s*[-~]\s*(?P<end>\d{1,2}:\d{2})(?:\s+(?P<hours>\S+))?",
    re.ASCII,
)
_HARMFUL = ("=", "+", "-", "@")
_RIGHT = "*"
_MOST_OPTIONS = 20


class HoursField(forms.CharField):
    """Hours as people write them, `3` or `2.5`; cleans to thousandths."""

    def prepare_value(self, value: Any) -> Any:
        return in_hours(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = unicodedata.normalize("NFKC", str(value or "")).strip()
        if not text:
            return None
        if not _HOURS.fullmatch(text) or not Decimal(text):
            raise forms.ValidationError("時數請填大於 0 的數字，例如 3 或 2.5。")
        return int(Decimal(text).scaleb(3))

    def run_validators(self, value: Any) -> None:
        """Those of a text do not hold for a number."""


class LinkField(forms.URLField):
    """An address as people type it: without a scheme it is meant to be a safe one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(assume_scheme="https", **options)


class CourseForm(OfAgencyForm):
    """Of a course of one kind; its teachers are those of its agency."""

    kind: Kind
    hours = HoursField(label="時數")

    class Meta:
        model = Course
        fields = [
            *("agency", "title", "category", "hours", "for_all"),
            *("teachers", "description", "link"),
        ]
        field_classes = {"link": LinkField}
        widgets = {
            "description": forms.Textarea(attrs={"rows": 8}),
            "teachers": forms.CheckboxSelectMultiple,
        }
        help_texts = {
            "description": "可用 Markdown：# 標題、- 清單、**粗體**、[文字](網址)。",
            "category": "只有資通安全通識（522）與專業（523）會登錄為學習時數。",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = self.kind
        engaged = Teacher.objects.visible_to(self.user).filter(is_engaged=True)
        teachers: Any = self.fields["teachers"]
        teachers.queryset = engaged.select_related("account", "agency")
        if not teachers.queryset:
            self.fields.pop("teachers")
        if "agency" in self.fields:
            agency: Any = self.fields["agency"]
            agency.empty_label = "（平台，開放全部機關）"

    def clean_title(self) -> str:
        title: str = self.cleaned_data["title"]
        if title.startswith(_HARMFUL):
            raise forms.ValidationError("課程名稱的第一個字不能是 = + - @，試算表會把它當成公式。")
        return title

    def clean(self) -> dict[str, Any]:
        # The module hands on the course alone.
        self.instance.chosen_teachers = self.cleaned_data.get("teachers", [])
        return self.cleaned_data


class OnlineCourseForm(CourseForm):
    kind = Kind.ONLINE


class ClassroomCourseForm(CourseForm):
    kind = Kind.CLASSROOM


class SessionForm(ResourceForm):
    opens_on = RocDateField(label="報名起日", required=True)
    closes_on = RocDateField(label="報名迄日", required=True)
    timings = forms.CharField(
        label="上課時段",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="每列一個時段：日期 開始-結束 時數，例如「115-03-02 09:00-16:00 6」；"
        "時數不填就是開始到結束的時間。",
    )

    class Meta:
        model = Session
        fields = ["course", "place", "quota", "opens_on", "closes_on", "timings", "needs_approval"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        course: Any = self.fields["course"]
        course.queryset = Course.objects.visible_to(self.user).filter(kind=Kind.CLASSROOM)
        course.empty_label = "（請選擇）"
        if self.instance.pk:
            self.fields.pop("course")
            self.fields["timings"].initial = "\n".join(map(_line, self.instance.meetings.all()))

    def clean_quota(self) -> int:
        quota: int = self.cleaned_data["quota"]
        if not 1 <= quota <= 10_000:
            raise forms.ValidationError("名額請填 1 到 10,000。")
        if quota < self.instance.taken:
            raise forms.ValidationError(f"已錄取 {self.instance.taken} 人，名額不能少於這個人數。")
        return quota

    def clean_timings(self) -> list[Timing]:
        lines = unicodedata.normalize("NFKC", self.cleaned_data["timings"]).splitlines()
        timings = [_timing(n, line) for n, line in enumerate(lines, 1) if line.strip()]
        for one, following in zip(sorted(timings), sorted(timings)[1:], strict=False):
            if one.ends_at > following.starts_at:
                raise forms.ValidationError("上課時段互相重疊，請更正。")
        return timings

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        closes, timings = cleaned.get("closes_on"), cleaned.get("timings")
        if closes and timings and closes > timezone.localdate(min(timings).starts_at):
            raise forms.ValidationError("報名迄日不能晚於第一次上課的日期，請更正。")
        # The module hands on the session alone.
        self.instance.chosen_timings = timings
        return cleaned


def _line(meeting: Any) -> str:
    starts, ends = timezone.localtime(meeting.starts_at), timezone.localtime(meeting.ends_at)
    return f"{roc_dates.roc_date(starts)} {starts:%H:%M}-{ends:%H:%M} {in_hours(meeting.hours)}"


def _timing(number: int, line: str) -> Timing:
    found = _TIMING.fullmatch(line.strip())
    if not found:
        raise forms.ValidationError(
            f"上課時段第 {number} 列請寫成「115-03-02 09:00-12:00 3」的樣子。"
        )
    try:
        day = roc_dates.parse(found["day"])
        starts_at, ends_at = (
            timezone.make_aware(datetime.combine(day, time.fromisoformat(found[end].zfill(5))))
            for end in ("start", "end")
        )
    except ValueError as error:
        raise forms.ValidationError(f"上課時段第 {number} 列的日期或時間不存在。") from error
    length = int((ends_at - starts_at).total_seconds()) * 1000 // 3600
    if length <= 0:
        raise forms.ValidationError(f"上課時段第 {number} 列的結束不晚於開始。")
    hours = HoursField().to_python(found["hours"]) or length
    if hours > length:
        raise forms.ValidationError(f"上課時段第 {number} 列的時數比開始到結束的時間還長。")
    return Timing(starts_at, ends_at, hours)


# --- People, many at once ------------------------------------------------------------------------


class PeopleForm(ActionForm):
    """People by their 公務帳號, one a line; of one's own agency, or of any for those who may."""

    usernames = forms.CharField(
        label="公務帳號", widget=forms.Textarea(attrs={"rows": 8}), help_text="每列一個公務帳號。"
    )

    def clean_usernames(self) -> list[Account]:
        return self.found(self.cleaned_data["usernames"])

    def found(self, text: str) -> list[Account]:
        wanted = {name.lower() for name in re.split(r"[\s,、，;]+", text) if name}
        known = {one.username.lower(): one for one in people_of(self.user)}
        if unknown := sorted(wanted - known.keys()):
            names = "、".join(name[:30] for name in unknown[:5])
            raise forms.ValidationError(
                f"找不到 {len(unknown)} 個在職的公務帳號：{names}。請更正。"
            )
        return [known[name] for name in sorted(wanted)]


def people_of(user: Account) -> QuerySet[Account]:
    """Who is in office and may be put into a course by somebody."""
    people = Account.objects.filter(status=Status.ACTIVE)
    return people if user.may(Right.ALL_AGENCIES) else people.filter(agency=user.agency_id)


class AssignForm(PeopleForm):
    """Whom an online course is given to: by list, or all who have an identity."""

    whom = forms.ChoiceField(
        label="指派對象",
        choices=[("list", "下面的名單"), *Identity.choices],
        widget=forms.RadioSelect,
    )
    field_order = ("whom", "usernames")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["usernames"].required = False

    def clean_usernames(self) -> list[Account]:
        whom, text = self.cleaned_data.get("whom"), self.cleaned_data["usernames"]
        if whom in {None, "list"}:
            if whom and not text.strip():
                raise forms.ValidationError("請填公務帳號，每列一個。")
            return self.found(text)
        return [one for one in people_of(self.user) if whom in one.identities.split("+")]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        way = Way.LIST if cleaned.get("whom") == "list" else Way.DUTY
        return {"people": cleaned.get("usernames", []), "way": way}


class SignUpForm(PeopleForm):
    def clean(self) -> dict[str, Any]:
        return {"people": self.cleaned_data.get("usernames", [])}


# --- What an online course is made of ------------------------------------------------------------


class MaterialForm(ModelForm):
    """A material of one kind: each kind asks for what it is made of."""

    file = forms.FileField(label="檔案", required=False)

    class Meta:
        model = Material
        fields = ["title", "text", "link"]
        field_classes = {"link": LinkField}
        widgets = {"text": forms.Textarea(attrs={"rows": 14})}
        help_texts = {"text": "可用 Markdown。", "link": "https:// 開頭的網址。"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.instance.kind
        asks = {Material.Kind.PAGE: "text", Material.Kind.LINK: "link"}.get(kind, "file")
        for name in {"text", "link", "file"} - {asks}:
            self.fields.pop(name)
        self.fields[asks].required = asks != "file" or not self.instance.pk
        if asks == "file":
            accept = ".mp4,.webm" if kind == Material.Kind.VIDEO else ".pdf"
            self.fields["file"].widget.attrs["accept"] = accept

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file:
            try:
                found = files.check(file, self.instance.kind, settings.MATERIAL_MAX_BYTES)
            except FileTypeRejected as fault:
                raise forms.ValidationError(str(fault)) from fault
            self.instance.media_type, self.instance.size = found, file.size
        return file


class QuestionForm(ModelForm):
    """A question with its options, one a line, the right ones marked by a star."""

    options = forms.CharField(
        label="選項",
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="每列一個選項，正確的選項前面加 *。是非題填「*是」與「否」，或「是」與「*否」。",
    )

    class Meta:
        model = Question
        fields = ["kind", "text", "options"]
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            right = set(self.instance.right)
            lines = enumerate(self.instance.options)
            self.initial["options"] = "\n".join(
                f"{_RIGHT if place in right else ''}{option}" for place, option in lines
            )

    def clean_options(self) -> list[str]:
        text = unicodedata.normalize("NFC", self.cleaned_data["options"]).replace("＊", _RIGHT)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        self.instance.right = [n for n, line in enumerate(lines) if line.startswith(_RIGHT)]
        options = [line.removeprefix(_RIGHT).strip() for line in lines]
        if not 2 <= len(options) <= _MOST_OPTIONS or not all(options):
            raise forms.ValidationError(f"選項請填 2 到 {_MOST_OPTIONS} 個，每列一個。")
        if len(set(options)) < len(options):
            raise forms.ValidationError("有兩個選項相同，請更正。")
        return options

    def clean(self) -> dict[str, Any]:
        cleaned, right = self.cleaned_data, getattr(self.instance, "right", None)
        options, kind = cleaned.get("options"), cleaned.get("kind")
        if options and kind == Question.Kind.MULTIPLE and not right:
            raise forms.ValidationError("請在正確的選項前面加 *，至少一個。")
        if options and kind != Question.Kind.MULTIPLE and len(right or []) != 1:
            raise forms.ValidationError(
                "單選題與是非題要有一個、也只能有一個正確的選項（前面加 *）。"
            )
        if options and kind == Question.Kind.TRUE_FALSE and options != ["是", "否"]:
            raise forms.ValidationError("是非題的選項請依序填「是」與「否」，正確的前面加 *。")
        return cleaned


class QuizForm(ModelForm):
    class Meta:
        model = Quiz
        fields = ["drawn", "pass_mark", "attempts"]
        help_texts = {
            "drawn": "每次作答從題庫隨機抽出的題數，不能超過題庫的題數。",
            "pass_mark": "1 到 100 分。",
        }

    def clean_drawn(self) -> int:
        drawn: int = self.cleaned_data["drawn"]
        there = self.instance.course.questions.count()
        if drawn > there > 0:  # before the first question it says how many are meant to be drawn
            raise forms.ValidationError(
                f"題庫只有 {there} 題，每次不能出 {drawn} 題；請改少，或先新增題目。"
            )
        return drawn

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not 1 <= cleaned.get("pass_mark", 1) <= 100:
            raise forms.ValidationError("及格分數請填 1 到 100。")
        if not (cleaned.get("drawn", 1) and cleaned.get("attempts", 1)):
            raise forms.ValidationError("每次出題數與可作答次數至少 1。")
        return cleaned
