"""One target under atheris: `python -m tests.fuzz.atheris_target <target> <libFuzzer arguments>`.

atheris is no dependency: install it beside the project to use it (`pip install atheris`).
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Hands the process over to libFuzzer, which ends it; finds go where -artifact_prefix says."""
    atheris = importlib.import_module("atheris")
    name, *options = arguments
    # Targets are imported as they are found, so that has to happen under instrumentation.
    with atheris.instrument_imports(include=["segmenter", "streaming", "webrtc"]):
        target = importlib.import_module(f"{__package__}.registry").targets()[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, folder], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
