"""Which of a publisher's simulcast layers come at present; sans-IO.

Browsers stop their upper layers while bandwidth or processor do not suffice, without a word, and
begin again with a key frame. A layer is silent when the others have gone on without it for a while:
a publisher that sends nothing at all, or a screen that does not change, is no layer's silence.
"""

from __future__ import annotations

from typing import Final

from segmenter.media import Sample

SILENT_S: Final = 0.75
"""Longer than a loss that is made good; paths let another track lead after a second's silence of
the best one, and take its publisher for stalled after one and a half."""

SILENT_PICTURES: Final = 10
"""Of the other layers in that time, so that it is not the way that stands still."""


class LayerWatch:
    """Owned by a publisher; what it gets of its layers passes through `push`."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self._heard_at: dict[str, float] = {}
        self._missed: dict[str, int] = {}
        """Pictures of others since its last."""

    def push(self, layer: str, samples: list[Sample], now: float) -> list[Sample]:
        """What may go on: of a silent layer that which begins with a key frame."""
        if layer in self.silent:
            first = next((at for at, sample in enumerate(samples) if sample.is_sync), None)
            if first is None:
                return []
            self.silent.discard(layer)
            samples = samples[first:]
        for other in self._missed:
            self._missed[other] += len(samples)
        self._missed[layer], self._heard_at[layer] = 0, now
        return samples

    def handle_timer(self, now: float) -> None:
        """Notice who has fallen silent."""
        for layer, missed in self._missed.items():
            if missed >= SILENT_PICTURES and now - self._heard_at[layer] > SILENT_S:
                self.silent.add(layer)

    def rename(self, names: dict[str, str]) -> None:
        """The layers have other names."""
        self.silent = {names[layer] for layer in self.silent}
        self._heard_at = {names[layer]: at for layer, at in self._heard_at.items()}
        self._missed = {names[layer]: missed for layer, missed in self._missed.items()}
