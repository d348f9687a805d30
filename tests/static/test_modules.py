"""The player's modules that know no browser, tested by Node's own runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streaming.path_state import Cause, PathState

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "static"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("file", sorted(file.name for file in HERE.glob("*.test.mjs")))
def test_the_module_does_what_its_tests_say(file: str) -> None:
    # Node takes .js for CommonJS unless a package.json or this says otherwise.
    command = ["node", "--experimental-default-type=module", "--test", str(HERE / file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_dashboard_has_words_for_every_state_and_every_reason() -> None:
    known = re.findall(r'^  "?([a-z-]+)"?: [\["]', (STATIC / "words.js").read_text(), re.M)
    assert {one.value for one in (*PathState, *Cause)} <= set(known)


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: file.name)
def test_scripts_make_no_markup_of_text(file: Path) -> None:
    """Names of paths and reasons come from strangers: they are text, never HTML."""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read_text()
    )
