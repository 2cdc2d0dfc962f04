"""Why a file is rejected as a whole before anybody reads its rows: too large, of another type.

Knows neither Django nor a kind of file.
"""

from dataclasses import dataclass

from ismp.ui.reading import file_types
from ismp.ui.reading.raw import Limits


def too_large(limits: Limits) -> str:
    return (
        f"檔案解開後超過 {limits.max_bytes // 1024 // 1024} MB，"
        "請在入口網縮短日期範圍，分成幾個檔案下載後再上傳。"
    )


@dataclass(frozen=True)
class OtherTypes:
    """Advice for a file of another type."""

    instead: str
    """What to bring instead, as an imperative without its full stop."""
    sign_in_again: str = ""
    """What to do about a page of a portal that was saved in its place."""
    as_it_came: bool = False
    """Whether the file must be as a portal made it, so that none may be saved as another type."""

    def refuse(self, data: bytes, wanted: str = "CSV") -> None:
        """Tell by its first bytes, not by its name, that a file is not the `wanted` one.

        Raises FileRejected.
        """
        file_types.refuse_others(
            data,
            wanted=wanted,
            instead=self.instead,
            sign_in_again=self.sign_in_again,
            as_it_came=self.as_it_came,
        )
