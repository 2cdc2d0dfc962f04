"""One example for each module of the list kit: what its form takes, and what it refuses.

tests/test_modules.py walks every module with it; a module without one fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    good: Callable[[int], dict]
    """What the form is filled with for the nth thing, by somebody of one agency."""
    bad: dict
    """Fields that make a good form wrong."""
    says: str
    """What the page then says."""
    deeds: dict[str, dict] = field(default_factory=dict)
    """What each deed's form is filled with; a function is asked with the things' model."""


EXAMPLES = {
    "departments": Example(
        good=lambda n: {"name": f"測試{n}科"},
        bad={"name": ""},
        says="請填寫部門",
    ),
    "people": Example(
        good=lambda n: {
            "username": f"IC{5000 + n}",
            "name": f"測試{n}",
            "identities": ["it", "general"],
            "since": "115-01-05",
        },
        bad={"name": "", "username": ""},
        says="請填寫姓名",
    ),
    "teachers": Example(
        good=lambda n: {"name": f"外聘講師{n}", "expertise": "資安稽核", "is_engaged": "on"},
        bad={"username": "IC1002"},
        says="只能填其中一項",
    ),
}
