"""Faults of a file, and of a row of it, that is rejected.

For tables that people fill in (`ui.reading` reads them) and the portal's file alike.  Knows no
domain and no column.
"""

from dataclasses import dataclass

NORMAL, YOURS, OURS = "正常", "您可修正", "請洽客服"
"""Whose turn it is about a row that is not taken."""


class FileRejected(ValueError):
    """A file as a whole is refused; the text is one sentence in Chinese."""


@dataclass(frozen=True)
class Reason:
    """Why a row is not taken: code, whose turn it is, sentence, what to do, columns at fault."""

    code: str
    cls: str
    sentence: str
    remedy: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """A row that is not taken, and why."""

    line: int
    reason: Reason
    cells: list[str]
    """As they were written, in the order of the file's own columns."""
    about: str = ""
    """What more is to say of this very row."""
    columns: tuple[str, ...] = ()
    """Which of the reason's columns are at fault here; none named is all of them."""

    @property
    def guilty(self) -> tuple[str, ...]:
        return self.columns or self.reason.columns

    @property
    def sentence(self) -> str:
        about = f"（{self.about}）" if self.about else ""
        return f"第 {self.line} 列：{self.reason.sentence}{about}，{self.reason.remedy}"
