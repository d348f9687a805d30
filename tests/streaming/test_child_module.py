"""Processes of ours run the code that their parent runs, wherever they are started."""

from __future__ import annotations

import subprocess
from pathlib import Path

from streaming import child_module
from streaming.child_module import PLACE, module_command, module_environment


def test_a_directory_with_our_name_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "streaming").mkdir()
    (tmp_path / "streaming" / "__init__.py").write_text("raise SystemExit('foreign')\n")
    done = subprocess.run(
        [*module_command("streaming.child_module")],
        cwd=tmp_path,
        env=module_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_place_of_the_parents_code_comes_first_and_what_was_given_stays() -> None:
    assert Path(PLACE, "streaming", "child_module.py") == Path(child_module.__file__).resolve()
    places = module_environment()["PYTHONPATH"].split(":")
    assert places[0] == PLACE
    assert len(places) == len(set(places))
