"""Which tests may run side by side (`make test`): two processes share the work, a third one waits.

Tests of a file stay together, and all that have a browser, which takes a core by itself. A third
process that works would make nothing quicker on two cores, and what watches the clock would fail:
it gets only what hardly does anything for minutes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]
ORDER: Final = ("browser", "soak", "tests/wire/", "tests/interop/")
"""How groups begin: the longest first, those that compute last."""
WAITING: Final = frozenset({"soak"})
"""Groups that take less than a third of a core."""
WORKING_PROCESSES: Final = 2
_BROWSER = re.compile(
    r"^from tests\.interop\.browser import [^\n]*(\([^)]*)?\bchromium\b|^from bench\.glass", re.M
)


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
        return next_group(list(self.workqueue), self.nodes.index(node))


def next_group(groups: Sequence[str], process: int) -> str | None:
    """Which of the groups that are left this process begins; None when it has none to expect."""
    if process >= WORKING_PROCESSES:
        return next((group for group in groups if group in WAITING), None)
    return next((group for group in groups if group not in WAITING), groups[0] if groups else None)


@functools.cache
def _group_of_file(file: str) -> str:
    if file.startswith("tests/soak/"):
        return "soak"
    text = (ROOT / file).read_text("utf-8")
    return "browser" if _BROWSER.search(text) else file
