"""The player's modules that know no browser, tested by Node's own runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("file", sorted(file.name for file in HERE.glob("*.test.mjs")))
def test_the_module_does_what_its_tests_say(file: str) -> None:
    # Node takes .js for CommonJS unless a package.json or this says otherwise.
    command = ["node", "--experimental-default-type=module", "--test", str(HERE / file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
