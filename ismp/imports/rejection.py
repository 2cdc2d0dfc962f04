"""A file is refused as a whole: one kind of failure, with one sentence that says what to do."""

from typing import Any

from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits


class RowsRejected(FileRejected):
    """A file that comes in whole or not at all is refused, because of some of its rows."""

    def __init__(self, sentence: str, result: Any) -> None:
        """`result` (`result.Result`): which rows, and why."""
        super().__init__(sentence)
        self.result = result


def too_large(limits: Limits) -> str:
    return (
        f"檔案解開後超過 {limits.max_bytes // 1024 // 1024} MB，"
        "請在入口網縮短日期範圍，分成幾個檔案下載後再上傳。"
    )
