"""What viewers saw of publishers and origins that died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.glass.report import percentile

AIMS_S = {"publisher": 2.5, "origin": 5.0}
"""p95 from the return to the first new picture: of a publisher's first sample at the origin, of an
origin's listening socket."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a viewer saw of a return; seconds."""

    new_s: float
    """Until the first picture taken after the kill was shown. A player with a large buffer shows
    older ones until then, and its viewer notices nothing."""
    stood_s: float
    """The longest that the picture stood on the way there, counted from the return on."""


@dataclass(frozen=True, slots=True)
class Death:
    """One kill, and when each player had a new picture."""

    what: str
    """ "publisher" or "origin"."""
    away_s: float
    seen: dict[str, Sight | None]
    """By player; None where no picture came."""

    def line(self, number: int) -> str:
        """For whoever watches the run."""
        told = ", ".join(
            f"{name} {'never' if sight is None else f'{sight.stood_s:.2f} ({sight.new_s:.2f})'}"
            for name, sight in self.seen.items()
        )
        return f"{number}: {self.what} away {self.away_s:.1f} s: {told}"


@dataclass(frozen=True, slots=True)
class PlayerReport:
    """What a page says at the end."""

    name: str
    is_same_document: bool
    """Nobody has reloaded it."""
    starts: int
    """How often the page has started its library; 1 is the first."""
    stalls: int


@dataclass
class Report:
    """All of one run."""

    deaths: list[Death] = field(default_factory=list)
    players: list[PlayerReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was wrong."""
    playlists: int = 0
    """Versions of playlists whose numbers were looked at."""

    def sights(self, what: str, player: str) -> list[Sight]:
        """Of those where a picture came, in order."""
        seen = [death.seen[player] for death in self.deaths if death.what == what]
        return [sight for sight in seen if sight is not None]

    @property
    def is_good(self) -> bool:
        """Whether all aims are met."""
        return not self.notes and all(
            percentile([sight.stood_s for sight in seen], 95) <= AIMS_S[what]
            for what in AIMS_S
            for player in self.players
            if (seen := self.sights(what, player.name))
        )

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "is_good": self.is_good}


def render(report: Report) -> Group:
    """Tables for people."""
    parts: list[Table | Text] = [_table(report, what) for what in AIMS_S]
    parts.append(_players(report.players))
    parts.append(Text(f"{report.playlists} versions of playlists: numbers only rose"
                      if not report.notes else "\n".join(report.notes)))  # fmt: skip
    return Group(*parts)


def _table(report: Report, what: str) -> Table:
    count = sum(death.what == what for death in report.deaths)
    table = Table(title=f"{count} kills of the {what}: seconds without a picture since its return")
    for heading in ("player", "p50", "p95", "longest", "never", "aim, p95", "new media, p50, p95"):
        table.add_column(heading, justify="left" if heading == "player" else "right")
    for player in report.players:
        seen = report.sights(what, player.name)
        if seen:
            stood, new = ([getattr(s, name) for s in seen] for name in ("stood_s", "new_s"))
            figures = [percentile(stood, 50), percentile(stood, 95), max(stood)]
            table.add_row(
                player.name,
                *(f"{figure:.2f}" for figure in figures),
                str(count - len(seen)),
                f"{AIMS_S[what]:.1f}",
                f"{percentile(new, 50):.2f}, {percentile(new, 95):.2f}",
            )
    return table


def _players(players: Sequence[PlayerReport]) -> Table:
    table = Table(title="the pages at the end")
    for heading in ("player", "reloaded", "starts of the library", "stalls"):
        table.add_column(heading, justify="left" if heading == "player" else "right")
    for player in players:
        reloaded = "no" if player.is_same_document else "yes"
        table.add_row(player.name, reloaded, str(player.starts), str(player.stalls))
    return table
