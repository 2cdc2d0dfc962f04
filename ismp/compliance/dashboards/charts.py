"""Where the lines of a chart lie in its drawing.  Knows numbers, neither people nor templates."""

from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 56, 12, 24
_DAYS = 365


@dataclass(frozen=True)
class Point:
    """A share of a day, and where it is drawn."""

    day: date
    percent: int

    @property
    def x(self) -> float:
        gone = (self.day - date(self.day.year, 1, 1)).days / _DAYS
        return round(_LEFT + min(gone, 1) * (WIDTH - _LEFT - _RIGHT), 1)

    @property
    def y(self) -> float:
        return round(_TOP + (100 - self.percent) / 100 * (HEIGHT - _TOP - _BOTTOM), 1)


@dataclass(frozen=True)
class Trend:
    """Shares over a year; `ahead` are the ends of dotted lines that start at the last point."""

    points: list[Point]
    ahead: list[Point]

    @property
    def line(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)

    @property
    def last(self) -> Point:
        return self.points[-1]

    @property
    def scale(self) -> list[Point]:
        return [Point(date(self.last.day.year, 1, 1), percent) for percent in (0, 50, 100)]

    @property
    def months(self) -> list[Point]:
        return [Point(date(self.last.day.year, month, 1), 0) for month in range(1, 13)]

    @property
    def right(self) -> int:
        return WIDTH - _RIGHT
