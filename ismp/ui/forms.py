"""Fields and forms that every page shares.  Knows no domain."""

import contextlib
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from ismp.audit.text_mask import mask
from ismp.ui.text import roc_dates

KEYWORD = {"placeholder": "請輸入關鍵字查詢"}


class RocDateField(forms.CharField):
    """A date typed as 115-01-01, 1150101 or 115/1/1; cleans to a date or None."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"data-roc-date": "", "size": 10, "autocomplete": "off", "inputmode": "numeric"}
        super().__init__(**{"required": False, "widget": forms.TextInput(attrs=attrs), **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """A date that can be read is shown back as 115-01-01, however it was typed."""
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = roc_dates.parse(value)
        return roc_dates.roc_date(value) if isinstance(value, date) else value

    def to_python(self, value: Any) -> Any:
        if not value:
            return None
        try:
            return roc_dates.parse(str(value))
        except ValueError as error:
            raise forms.ValidationError("日期請寫成 115-01-01 的樣子。") from error

    def run_validators(self, value: Any) -> None:
        """Those of a text do not hold for a date."""


class TextMask:
    """Mixed into every form of the site: what no text may hold is masked before it is read.

    `audit.text_mask` says what that is.  It is masked in what was typed and in the names of
    files, so that neither what is saved nor the page that comes back shows it.  Where a masked text
    would be nonsense (a name, a code) the form refuses it instead.
    """

    refuses: tuple[str, ...] = ()
    """Text fields that refuse what would be masked."""
    codes: tuple[str, ...] = ()
    """Text fields that hold numbers which look alike: of those only a valid one is refused."""
    masked: frozenset[str] = frozenset()
    """Names of the fields in which something was masked, while and after a form is cleaned."""

    def full_clean(self) -> None:
        form: Any = self
        if form.is_bound:
            self._mask()
        super().full_clean()  # type: ignore[misc]
        for name in self.masked & {*self.refuses, *self.codes}:
            form.errors.pop(name, None)
            form.add_error(name, f"請填{form.fields[name].label}，不是身分證字號。")

    def _mask(self) -> None:
        form: Any = self
        masked = {}
        for name, field in form.fields.items():
            key = form.add_prefix(name)
            if isinstance(field, forms.FileField):
                for file in filter(None, [form.files.get(key)]):
                    file.name = mask(file.name)
            elif isinstance(field, forms.CharField) and not _keeps(field):
                typed = form.data.get(key)
                if (text := mask(typed, valid=name in self.codes)) != typed:
                    masked[name] = (key, text)
        if masked:
            form.data = form.data.copy()
            for key, text in masked.values():
                form.data[key] = text
        self.masked = frozenset(masked)


def _keeps(field: forms.Field) -> bool:
    """Whether a field takes a text as it is typed: a secret, or a field that looks for itself."""
    return isinstance(field.widget, forms.PasswordInput) or getattr(field, "keeps_text", False)


class Form(TextMask, forms.Form):
    """A form of this site."""


if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


class ModelForm(TextMask, _ModelForm):
    """A form of this site for a row."""


class KeywordField(forms.CharField):
    """Search keyword; a package above registers the texts that nobody may search for."""

    keeps_text = True
    _refusals: ClassVar[list[Callable[[str], None]]] = []

    @classmethod
    def register(cls, refusal: Callable[[str], None]) -> None:
        """Have `refusal(text)` raise ValidationError for what nobody may look for."""
        if refusal not in cls._refusals:
            cls._refusals.append(refusal)

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs=KEYWORD)
        super().__init__(label="關鍵字", max_length=100, required=False, widget=widget, **kwargs)

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)
        for refuse in self._refusals:
            refuse(value)


class SearchForm(Form):
    """The search line of a list: 搜尋：[欄位▾] 內有 [關鍵字]."""

    field = forms.ChoiceField(label="搜尋欄位", required=False)
    q = KeywordField()

    def __init__(self, query: Any, searched: Iterable[tuple[str, str]] | None = None) -> None:
        """`searched` are the fields to choose from; without them one keyword searches all."""
        super().__init__(query)
        if searched is None:
            del self.fields["field"]
        else:
            self.fields["field"].choices = list(searched)  # type: ignore[attr-defined]


def say_what_is_missing(form: forms.BaseForm) -> None:
    """請填寫姓名。 in place of a sentence that names no field."""
    for field in form.fields.values():
        chosen = isinstance(field, forms.ChoiceField)
        field.error_messages["required"] = f"請{'選擇' if chosen else '填寫'}{field.label}。"


class Suggesting(forms.TextInput):
    """A text field that offers what has been there before; anything may be typed."""

    template_name = "ui/_suggesting.html"

    def __init__(self, offers: Callable[[], Iterable[str]] = tuple, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offers = offers

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        return {**context, "offers": self.offers()}


class ResourceForm(ModelForm):
    """The form by which a module adds or edits one thing; it knows who fills it in."""

    tells: tuple[str, ...] = ()
    """Fields of the form, not of the thing, that the action is told beside the thing."""
    settles: tuple[str, ...] = ()
    """Fields of which `save` lets go elsewhere what their constraints would not bear twice."""

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        say_what_is_missing(self)

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | set(self.settles)


class ActionForm(Form):
    """The form of an action on things; with one thing, it starts from that."""

    def __init__(self, *args: Any, user: Any, things: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.things = user, things
        self.from_thing: set[str] = set()
        """Fields that show what the one thing is like."""
        say_what_is_missing(self)
        if len(things) == 1:
            for name, field in self.fields.items():
                otherwise = field.initial
                field.initial = self.starts_from(things[0], name, otherwise)
                if field.initial is not otherwise:
                    self.from_thing.add(name)

    def starts_from(self, thing: Any, name: str, otherwise: Any) -> Any:
        return getattr(thing, name, otherwise)
