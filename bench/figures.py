"""What benchmarks give: pairs of measurements, ours and a peer's, and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure should be. Missing it is shown and never fails the run."""

    limit: float
    of: Literal["ratio", "difference", "ours"] = "ratio"
    """What is limited: ours ÷ peer's, ours − peer's, or ours alone."""
    at_least: bool = False
    """The limit is a lower one: more is better."""

    def is_met(self, value: float) -> bool:
        """Whether `value` satisfies the aim."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        marks = {"ratio": ("", "×"), "difference": ("Δ ", ""), "ours": ("", "")}
        before, after = marks[self.of]
        return f"{before}{sign} {self.limit:g}{after}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: repeated measurements of ours and of a peer, taken in turns."""

    item: str
    """Letter of the benchmark."""
    name: str
    unit: str
    ours: tuple[float, ...]
    peer: str = ""
    """Who is measured beside us; "" when nobody is."""
    theirs: tuple[float, ...] = ()
    aim: Aim | None = None

    @property
    def our_median(self) -> float:
        """Median of our measurements."""
        return statistics.median(self.ours)

    @property
    def their_median(self) -> float | None:
        """Median of the peer's measurements."""
        return statistics.median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """Ours ÷ theirs, of the medians."""
        theirs = self.their_median
        return self.our_median / theirs if theirs else None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.aim is None:
            return None
        if self.aim.of == "ours":
            return self.aim.is_met(self.our_median)
        theirs, ratio = self.their_median, self.ratio
        if theirs is None or ratio is None:
            return None
        return self.aim.is_met(ratio if self.aim.of == "ratio" else self.our_median - theirs)

    def as_json(self) -> dict[str, object]:
        """Everything, for programs."""
        return {
            "item": self.item,
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "ours_median": self.our_median,
            "peer": self.peer,
            "peers": self.theirs,
            "peers_median": self.their_median,
            "ratio": self.ratio,
            "aim": str(self.aim) if self.aim is not None else None,
            "is_met": self.is_met,
        }


def render_table(figures: Sequence[Figure]) -> Table:
    """All figures, medians with the range of the runs beside them."""
    table = Table(title="Headwater beside its peers", caption="medians; in brackets the range")
    for heading, justify in (
        ("", "left"),
        ("figure", "left"),
        ("unit", "left"),
        ("Headwater", "right"),
        ("peer", "right"),
        ("", "left"),
        ("ratio", "right"),
        ("aim", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify="left" if justify == "left" else "right")
    item = ""
    for figure in figures:
        if item and figure.item != item:
            table.add_section()
        item = figure.item
        table.add_row(
            item,
            figure.name,
            figure.unit,
            _spread(figure.ours),
            _spread(figure.theirs),
            figure.peer,
            f"{figure.ratio:.2f}×" if figure.ratio is not None else "",
            str(figure.aim or ""),
            {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.is_met],
        )
    return table


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    median = _short(statistics.median(values))
    if len(values) == 1 or min(values) == max(values):
        return median
    return f"{median} [dim]\\[{_short(min(values))}–{_short(max(values))}][/]"


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
