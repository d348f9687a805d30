"""What is said of a path's life says what its table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streaming.path_state import Cause, PathState
from tests.streaming.state_diagram import draw_states

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- drawn by tests/streaming/state_diagram.py -->\n", "<!-- /drawn -->"


def test_the_architecture_has_the_states_drawn(request: pytest.FixtureRequest) -> None:
    place = ROOT / "ARCHITECTURE.md"
    before, _, rest = place.read_text().partition(BEGIN)
    drawn, _, after = rest.partition(END)
    if request.config.getoption("--update-golden"):
        place.write_text(before + BEGIN + draw_states() + END + after)
    else:
        assert drawn == draw_states(), "--update-golden draws it anew"


def test_each_reason_code_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    _, _, section = text.partition("## States of a path\n")
    section, _, _ = section.partition("\n## ")
    codes = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert sorted(codes) == sorted(cause.value for cause in Cause)
    assert all(f"`{state.value}`" in section for state in PathState)
