"""Every fuzz target of the project, found in the modules `targets_*.py` beside this one.

Such a module has `TARGETS`, names to functions `bytes -> None`, and may have `SEEDS`, the same
names to honest inputs. A target may raise only what a peer's bytes are allowed to cost: MediaError
and each package's RemoteError. Inputs that once broke a target are kept in `corpus/<target>/` and
are seeds too.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segmenter.errors import MediaError
from streaming.errors import RemoteError
from webrtc import errors as webrtc_errors

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

ALLOWED = (MediaError, RemoteError, webrtc_errors.RemoteError)


@dataclass(frozen=True)
class Target:
    """One parser under fire."""

    name: str
    function: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Honest inputs, then what once broke it; may be empty."""

    def run(self, data: bytes) -> None:
        """Feed one input. What it raises is a bug."""
        with contextlib.suppress(*ALLOWED):
            self.function(data)


def targets() -> dict[str, Target]:
    """All targets by name, in a stable order."""
    found: dict[str, Target] = {}
    for file in sorted(HERE.glob("targets_*.py")):
        module = importlib.import_module(f"{__package__}.{file.stem}")
        seeds = getattr(module, "SEEDS", {})
        for name, function in module.TARGETS.items():
            assert name not in found, f"two fuzz targets are called {name}"
            kept = (entry.read_bytes() for entry in sorted((CORPUS / name).glob("*")))
            found[name] = Target(name, function, (*seeds.get(name, ()), *kept))
    return found
