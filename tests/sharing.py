"""Which tests may run side by side (`make test`): two processes share them.

Most of the long ones wait rather than work. Those of a file stay together, and all that have a
browser, which takes a core by itself. A third process would make nothing quicker on two cores, and
what watches the clock would fail.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
ORDER: Final = ("browser", "soak", "tests/wire/", "tests/interop/")
"""How groups begin: the longest first, those that compute last."""
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


@functools.cache
def _group_of_file(file: str) -> str:
    if file.startswith("tests/soak/"):
        return "soak"
    text = (ROOT / file).read_text("utf-8")
    return "browser" if _BROWSER.search(text) else file
