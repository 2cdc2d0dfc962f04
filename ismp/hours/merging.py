"""Hours of an agency that is merged into another one or dissolved."""

from ismp.accounts.agencies.closing.consequences import Consequence
from ismp.accounts.models import Agency
from ismp.hours.models import Decision, Duplicate, Record, Waiting
from ismp.imports.models import ImportRun, State

_UNDER_WAY = (State.RECEIVING, State.PASSWORD, State.QUEUED, State.RUNNING)
_MERGED = "時數跟著人走，達標狀況不變；仍記在原機關名下，新機關可以查詢、下載、刪除。"
_CLOSED = "時數跟著人走，達標狀況不變；仍記在原機關名下。"


def _records(agency: Agency) -> int:
    return Record.objects.live().filter(agency=agency).count()


def _waiting(agency: Agency) -> int:
    return Waiting.objects.filter(agency=agency, claimed_at=None).count()


def _carry_waiting(agency: Agency, into: Agency) -> None:
    """Who comes to the other agency with such a number gets the rows (`records.unclaimed`)."""
    Waiting.objects.filter(agency=agency, claimed_at=None).update(agency=into)


def _under_way(agency: Agency) -> int:
    return ImportRun.objects.filter(agency=agency, state__in=_UNDER_WAY).count()


def _obstacle(agency: Agency) -> str:
    count = _under_way(agency)
    return f"「{agency}」還有 {count} 個檔案正在匯入或等候，請等匯入完成。" if count else ""


def _undecided(agency: Agency) -> int:
    return Duplicate.objects.filter(agency=agency, decision=Decision.PENDING).count()


CONSEQUENCES = (
    Consequence("學習時數紀錄", _records, _MERGED, closed=_CLOSED),
    Consequence(
        "待認領時數（人）",
        _waiting,
        "移到新機關，同一個身分證字號的帳號在新機關出現時自動歸戶。",
        closed="留在原機關，到保存期限自動清除。",
        carry=_carry_waiting,
    ),
    Consequence("等候確認的可能重複", _undecided, "由新機關的管理者確認。"),
    Consequence(
        "正在匯入的檔案",
        _under_way,
        "要等匯入完成才能合併；之後這個機關不能再匯入。",
        closed="要等匯入完成才能裁撤；之後這個機關不能再匯入。",
        obstacle=_obstacle,
    ),
)
