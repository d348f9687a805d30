"""What a soak is to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.table import Table

from tests.soak.findings import Findings
from tests.soak.followers import Follower
from tests.soak.memory import MEGA, Memory

SHORT_S = 600
"""Below this a soak is the short one of the test run: less to encode, a short window, so that
memory has settled by half time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, and what."""

    seconds: float
    kill_s: float
    rungs: tuple[int, ...]
    """Heights of the encoded rungs beside the copied source of 360 lines."""
    window_s: int
    copies: bool = True
    """Whether the source is a rendition, too; else sound and picture keep no pace by themselves."""

    @classmethod
    def of(cls, seconds: float, kill_s: float, *, copies: bool = True) -> Plan:
        """The short or the long soak."""
        if seconds < SHORT_S:
            return cls(seconds, kill_s or 15.0, (180,), 12, copies)
        return cls(seconds, kill_s or 60.0, (240, 180), 30, copies)

    @property
    def names(self) -> frozenset[str]:
        """Of all renditions."""
        copied = {"source", "audio"} if self.copies else {"audio"}
        return frozenset(copied | {f"{height}p" for height in self.rungs})


@dataclass(slots=True)
class Report:
    """What a soak came to."""

    plan: Plan
    found: Findings
    followers: list[Follower] = field(default_factory=list)
    memory: Memory | None = None
    pushes: int = 0
    cpu_s: float = 0.0
    log: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.found.sentences


def render(report: Report) -> list[Table]:
    """What the clients saw, and what the processes weigh."""
    clients = Table(title=f"{report.plan.seconds:g} s, {report.pushes} publishers")
    for heading in ("client", "segments", "MB", "discontinuities"):
        clients.add_column(heading, justify="left" if heading == "client" else "right")
    for follower in report.followers:
        name = f"{follower.protocol} {follower.name}"
        size = f"{follower.bytes / MEGA:.1f}"
        clients.add_row(name, str(follower.segments), size, str(follower.discontinuities))
    share = 100 * report.cpu_s / max(report.found.age_s, 1)
    processes = Table(title=f"latter half of memory; all together {share:.0f} % of a core")
    for heading in ("process", "mean MB", "growth MB", "bound MB", ""):
        processes.add_column(heading, justify="left" if heading == "process" else "right")
    assert report.memory is not None
    for trend in report.memory.trends(report.plan.seconds / 2):
        values = (trend.mean_bytes, trend.growth_bytes, trend.bound_bytes)
        state = "flat" if trend.is_flat else "GROWS"
        processes.add_row(trend.name, *(f"{value / MEGA:.2f}" for value in values), state)
    return [clients, processes]
