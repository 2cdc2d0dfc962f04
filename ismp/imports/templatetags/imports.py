"""How the state of a run and the reasons of its rows look."""

from django import template

from ismp.imports.models import State
from ismp.ui.reading.faults import NORMAL, OURS, YOURS

register = template.Library()
_TONES = {
    NORMAL: "quiet",
    YOURS: "amber",
    OURS: "red",
    State.COMPLETED: "green",
    State.REFUSED: "red",
    State.QUARANTINED: "red",
}


@register.filter
def tone(word: str) -> str:
    """The colour that goes with a class of reasons or with the state of a run."""
    return _TONES.get(word, "amber")
