"""Which tests may run side by side (`make test`), on two cores.

Tests of a file stay together, and most that have a browser: one Chromium serves them all, and takes
up to a core by itself. Two processes share everything. A third one gets what hardly does anything
for minutes, and a fourth, with low priority, what only computes: what watches the clock does not
notice either.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]
ORDER: Final = ("browser", "soak", "tests/wire/", "tests/interop/")
"""How groups begin: the longest first, those that compute last."""
WAITING: Final = frozenset(
    {
        "soak",
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
"""Groups that take half a core and less, browsers among them. Who has nothing else left takes them,
too."""
PUNCTUAL: Final = frozenset({"tests/test_time_limits.py"})
"""Groups whose time limits are tenths of a second: nothing for a process that gives way."""
WAITS, COMPUTES = "gw2", "gw3"
"""Names of the processes that do one thing; all others do whatever there is."""
LOW_PRIORITY: Final = 10
"""A tenth of a core beside two that are busy."""
_BROWSER = re.compile(r"\bbrowser: Browser\b|\bchromium\(|^from bench\.glass", re.M)


def group_of(node_id: str) -> str:
    """What a test's file belongs to: "soak", "browser", or itself alone."""
    return _group_of_file(node_id.split("::", 1)[0])


def order_of(node_id: str) -> int:
    """Where its group comes in the order of groups."""
    group = group_of(node_id)
    return next((at for at, start in enumerate(ORDER) if group.startswith(start)), len(ORDER))


class GroupScheduling(LoadScopeScheduling):
    """Hands out whole groups. xdist's own gives groups by names that pytest 9.2 no longer takes."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        if self.workqueue and not node.shutting_down and self._next_for(node) is None:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        group = self._next_for(node)
        if group is not None:
            self.workqueue.move_to_end(group, last=False)
            super()._assign_work_unit(node)

    def _next_for(self, node: WorkerController) -> str | None:
        return next_group(list(self.workqueue), node.gateway.id)


def next_group(groups: Sequence[str], process: str) -> str | None:
    """Which of the groups that are left this process begins; None when it has none to expect."""
    if process == WAITS:
        return next((group for group in groups if group in WAITING), None)
    if process == COMPUTES:
        calm = (group for group in groups if group not in PUNCTUAL)
        return next((group for group in calm if not group.startswith(ORDER)), None)
    return next((group for group in groups if group not in WAITING), groups[0] if groups else None)


def give_way(process: str) -> None:
    """Called in each process of xdist's.

    Linux weighs sessions first where it groups them (sched(7), autogroup), processes only inside.
    """
    if process != COMPUTES:
        return
    os.nice(LOW_PRIORITY)
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(LOW_PRIORITY))


@functools.cache
def _group_of_file(file: str) -> str:
    if file.startswith("tests/soak/"):
        return "soak"
    if file in WAITING:
        return file
    text = (ROOT / file).read_text("utf-8")
    return "browser" if _BROWSER.search(text) else file
