"""Which tests may run side by side (`make test`): three processes share them, and two cores do.

Those of a file stay together, and all that have a browser, which takes most of a core by itself.
Tests with programs wait rather than work; the other thousands compute. So one process begins at the
end of the list, with those that compute, and yields the cores to what the others watch.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]
ORDER: Final = ("browser", "soak", "tests/wire/", "tests/interop/")
"""How groups begin: the longest first, those that compute last."""
YIELDING: Final = 5
"""The niceness of tests that compute; at 5 they still have a quarter of a core that others want."""
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


def yield_cores_if_computing(node_id: str) -> None:
    """Lowers this process's priority for a test that computes, and for all after it."""
    if order_of(node_id) == len(ORDER) and os.nice(0) < YIELDING:
        os.nice(YIELDING)


class GroupScheduling(LoadScopeScheduling):
    """Hands out whole groups. xdist's own gives groups by names that pytest 9.2 no longer takes."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """The first group that is left; the third process's is the last one."""
        if node is self._from_the_end():
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _from_the_end(self) -> WorkerController | None:
        return next((node for node in self.nodes if node.gateway.id == "gw2"), None)


@functools.cache
def _group_of_file(file: str) -> str:
    if file.startswith("tests/soak/"):
        return "soak"
    text = (ROOT / file).read_text("utf-8")
    return "browser" if _BROWSER.search(text) else file
