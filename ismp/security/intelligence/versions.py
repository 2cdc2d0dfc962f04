"""Affected versions in words, and whether a version is one of them.

The words are what is kept: 「1.0 到 2.0（不含）、2.5」, 「3.1 起的所有版本」, 「所有版本」.
People may write the same by hand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_Key = tuple[tuple[int, ...], str]
ALL = "所有版本"
NOT_SAID = frozenset({"", "n/a", "na", "-", "unspecified", "unknown", "not specified"})
_EVERY = frozenset({"*", "all", "all versions", "any"})
_START = frozenset({"", "0", "*", "unspecified", "n/a", "-"})
_TO, _BEFORE, _SINCE = "到", "（不含）", "起的所有版本"
_VERSION = re.compile(r"v?(\d+(?:[._-]\d+)*)[ ._+-]?([a-z0-9.+_-]*)", re.IGNORECASE)


def affected(entry: Mapping[str, Any]) -> str | None:
    """The affected versions of one `affected` of a CVE record (format 5); None: it is not affected,
    or nobody says that it is.  Empty: it is, but which versions is not said."""
    default = entry.get("defaultStatus", "unknown")
    given = entry.get("versions", [])
    spans = [text for one in given for text in _affected_spans(one)]
    if default == "affected":
        spans.append(f"{ALL}（另列不受影響者除外）" if _unaffected(given) else ALL)
    if not spans:
        return None
    named = dict.fromkeys(span for span in spans if span)
    return "、".join([ALL] if ALL in named else named)


def unaffected(entry: Mapping[str, Any]) -> str:
    """The versions of which the record says that they are not affected."""
    return "、".join(dict.fromkeys(_unaffected(entry.get("versions", []))))


def _unaffected(given: Iterable[Mapping[str, Any]]) -> list[str]:
    return [text for one in given for text in _spans(one, "unaffected") if text and text != ALL]


def _affected_spans(one: Mapping[str, Any]) -> Iterator[str]:
    return _spans(one, "affected")


def _spans(one: Mapping[str, Any], wanted: str) -> Iterator[str]:
    """The parts of a range in which the status is the wanted one; `changes` are its turning points
    in ascending order."""
    version = one["version"].strip()
    end, last = one.get("lessThan", "").strip(), one.get("lessThanOrEqual", "").strip()
    turns = [(one_["at"], one_["status"]) for one_ in _sorted(one.get("changes", []))]
    if not end and not last and not turns:
        if one["status"] == wanted:
            yield _single(version)
        return
    start, status = version, one["status"]
    for at, next_status in turns:
        if status == wanted and next_status != wanted:
            yield _span(start, at, is_before=True)
        if status != wanted and next_status == wanted:
            start = at
        status = next_status
    if status == wanted:
        yield _span(start, end or last or "*", is_before=bool(end))


def _sorted(changes: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    keys = [key_of(one["at"]) for one in changes]
    if None in keys:
        return changes
    return sorted(changes, key=lambda one: key_of(one["at"]) or ())


def _single(version: str) -> str:
    folded = version.casefold()
    return ALL if folded in _EVERY else "" if folded in NOT_SAID else version


def _span(start: str, end: str, *, is_before: bool) -> str:
    from_start = start.casefold() in _START
    if end.casefold() in _EVERY:
        return ALL if from_start else f"{start} {_SINCE}"
    if end.casefold() in NOT_SAID:
        return "" if from_start else f"{start} {_SINCE}"
    return f"{'所有' if from_start else start} {_TO} {end}{_BEFORE * is_before}"


# --- Is it one of them? --------------------------------------------------------------------------


def key_of(version: str) -> _Key | None:
    """Sort key of a version; None for a text that is no version."""
    found = _VERSION.fullmatch(version.strip())
    if found is None or len(version) > 100:
        return None
    numbers = [int(part) for part in re.split(r"[._-]", found[1])]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), found[2].casefold()


def covers(versions: str, version: str) -> bool | None:
    """Whether a version is among those that `affected` wrote; None: nobody knows."""
    asked = key_of(version)
    if not versions.strip() or asked is None:
        return None
    judged = [_covers(span.strip(), asked) for span in versions.split("、") if span.strip()]
    if True in judged:
        return True
    return None if None in judged else False


def _covers(span: str, asked: _Key) -> bool | None:
    if span == ALL:
        return True
    if span.endswith(_SINCE):
        return _all(_order(span.removesuffix(_SINCE).strip(), asked, or_equal=True))
    start, to, end = map(str.strip, span.partition(_TO))
    if to:
        lower = start in {"", "所有"} or _order(start, asked, or_equal=True)
        last = end.removesuffix(_BEFORE).strip()
        return _all(lower, _order(asked, last, or_equal=last == end))
    return None if (exact := key_of(span)) is None else exact == asked


def _all(*judged: bool | None) -> bool | None:
    return False if False in judged else None if None in judged else True


def _order(low: _Key | str, high: _Key | str, *, or_equal: bool) -> bool | None:
    """Whether one version comes before another.  `6.1.*` is whatever begins so; of `1.0` and
    `1.0rc1` nobody knows which came first."""
    if isinstance(high, str) and high.endswith(".*") and not isinstance(low, str):
        prefix = key_of(high[:-2])
        return None if prefix is None else low[0][: len(prefix[0])] <= prefix[0]
    first = key_of(low) if isinstance(low, str) else low
    second = key_of(high) if isinstance(high, str) else high
    if first is None or second is None:
        return None
    if first[0] == second[0]:
        return or_equal if first[1] == second[1] else None
    return first[0] < second[0]
