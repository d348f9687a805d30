"""Every fuzz target of the project, found in the modules `targets_*.py` beside this one.

Such a module has `TARGETS`, names to functions `bytes -> None`, and may have `SEEDS`, the same
names to honest inputs, and `TEXTS`, the names of those that read text. A target may raise only what
a peer's bytes are allowed to cost: MediaError and each package's RemoteError. Inputs that once
broke a target are kept in `corpus/<target>/` and are seeds too.
"""

from __future__ import annotations

import contextlib
import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmenter.errors import MediaError
from streaming.errors import RemoteError
from webrtc import errors as webrtc_errors

from .mutation import mutate
from .text_mutation import mutate_text

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

TEXT_SHARE = 0.75
"""Of the inputs to a target of texts: of the others most end where bytes are looked at."""
ALLOWED = (MediaError, RemoteError, webrtc_errors.RemoteError)


@dataclass(frozen=True)
class Target:
    """One parser under fire."""

    name: str
    function: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Honest inputs, then what once broke it; may be empty."""
    is_text: bool = False
    """Lines and words of its inputs are changed as well as bytes."""

    def mutate(self, dice: random.Random, seeds: Sequence[bytes] = ()) -> bytes:
        """A hostile input, from these or from its own seeds."""
        change = mutate_text if self.is_text and dice.random() < TEXT_SHARE else mutate
        return change(dice, seeds or self.seeds)

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
            is_text = name in getattr(module, "TEXTS", ())
            found[name] = Target(name, function, (*seeds.get(name, ()), *kept), is_text)
    return found
