"""Which tests may run side by side (`make test`), on two cores.

Tests of a file stay together. Three processes share everything, and each begins with what the two
others leave to it: one what works, the wire first; one what has a browser, for one Chromium serves
a whole process and takes up to a core; one what waits most of the time. Who has no more of its own
takes of the others', and what only computes comes last, so that they end together. It is also what
a fourth process does all the time, with low priority: what watches the clock does not notice. A
fifth has the minutes of the soak, which take a third of a core, then what waits as well.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]
ORDER: Final = (
    "tests/wire/",
    "tests/interop/test_worker_bridge.py",
    "tests/interop/test_whip.py",
    "soak",
    "tests/interop/test_dashboard.py",
    "tests/interop/test_whip_browser.py",
    "tests/interop/test_browser_playback.py",
    "tests/interop/test_control.py",
    "tests/interop/",
    "tests/streaming/server/test_api_document.py",
)
"""How groups begin: what measures tenths of a second, then the longest, those that compute last."""
WAITING: Final = frozenset(
    {
        "tests/interop/test_event_follower.py",
        "tests/interop/test_messages.py",
        "tests/interop/test_on_air.py",
        "tests/interop/test_own_inspection.py",
        "tests/interop/test_players_over_switches.py",
        "tests/interop/test_restart.py",
        "tests/interop/test_sources.py",
        "tests/interop/test_webhooks.py",
        "tests/interop/test_whep_continuity.py",
    }
)
"""Groups that take half a core and less, browsers among them."""
PUNCTUAL: Final = frozenset({"tests/test_time_limits.py"})
"""Groups whose time limits are tenths of a second: nothing for a process that gives way."""
Kind = Literal["works", "browses", "waits", "soaks", "computes"]
COMPUTES, SOAKS = "gw3", "gw4"
"""The processes that leave most to the others."""
ALL_KINDS: Final[tuple[Kind, ...]] = ("works", "browses", "waits", "soaks", "computes")
PREFERENCES: Final[dict[str, tuple[Kind, ...]]] = {
    "gw0": ALL_KINDS,
    "gw1": ("browses", "works", "waits", "soaks", "computes"),
    "gw2": ("waits", "works", "browses", "soaks", "computes"),
}
"""What the other processes begin with, and what they take then."""
LOW_PRIORITY: Final = 10
"""A tenth of a core beside two that are busy."""
_BROWSER = re.compile(r"\bbrowser: Browser\b|\bchromium\(|^from bench\.glass", re.M)


def group_of(node_id: str) -> str:
    """What a test's file belongs to: "soak", or itself alone."""
    file = node_id.split("::", 1)[0]
    return "soak" if file.startswith("tests/soak/") else file


@functools.cache
def kind_of(group: str) -> Kind:
    """What it does most of the time."""
    if group == "soak":
        return "soaks"
    if group in WAITING:
        return "waits"
    if group.startswith("tests/wire/"):  # a Chromium of its own, at the wire's end
        return "works"
    if _BROWSER.search((ROOT / group).read_text("utf-8")):
        return "browses"
    return "works" if group.startswith("tests/interop/") else "computes"


def order_of(node_id: str) -> int:
    """Where its group comes in the order of groups."""
    group = group_of(node_id)
    return next((at for at, start in enumerate(ORDER) if group.startswith(start)), len(ORDER))


class GroupScheduling(LoadScopeScheduling):
    """Hands out whole groups. xdist's own gives groups by names that pytest 9.2 no longer takes.

    Of a process that died it gives away what was done, too, and to a new one a single test, which
    is not begun before there is another one or none any more: both wait for ever.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        """A process has ended; gives the test that it died of, which is not tried again here."""
        groups = self.assigned_work.pop(node)
        left = [test for tests in groups.values() for test, is_done in tests.items() if not is_done]
        if not left:
            return None
        groups[group_of(left[0])][left[0]] = True
        self.workqueue.update(
            {group: tests for group, tests in groups.items() if not all(tests.values())}
        )
        for other in self.assigned_work:
            self._reschedule(other)
        return left[0]

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        while not node.shutting_down:
            if self._next_for(node) is None:
                node.shutdown()
                return
            super()._reschedule(node)
            if self._pending_of(self.assigned_work[node]) > 1:
                return

    def _assign_work_unit(self, node: WorkerController) -> None:
        group = self._next_for(node)
        if group is not None:
            self.workqueue.move_to_end(group, last=False)
            super()._assign_work_unit(node)

    def _next_for(self, node: WorkerController) -> str | None:
        return next_group(list(self.workqueue), node.gateway.id)


def next_group(groups: Sequence[str], process: str) -> str | None:
    """Which of the groups that are left this process begins; None when it has none to expect."""
    if process == COMPUTES:
        return next((group for group in groups if _is_calm(group)), None)
    if process == SOAKS:
        return _first(groups, ("soaks", "waits"))
    return _first(groups, PREFERENCES.get(process, ALL_KINDS))


def _first(groups: Sequence[str], kinds: Sequence[Kind]) -> str | None:
    """The first of the first kind that there is."""
    found = (group for kind in kinds for group in groups if kind_of(group) == kind)
    return next(found, None)


def _is_calm(group: str) -> bool:
    return kind_of(group) == "computes" and group not in PUNCTUAL and not group.startswith(ORDER)


def have_a_session(process: str) -> None:
    """Called in each process of xdist's: one of its own, and what only computes gives way.

    Linux weighs sessions first where it groups them (sched(7), autogroup), processes only inside.
    Each origin has one, so in one that they share all tests with their browsers, publishers and
    networks have together as much as a single origin.
    """
    os.setsid()
    if process != COMPUTES:
        return
    os.nice(LOW_PRIORITY)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(LOW_PRIORITY))
