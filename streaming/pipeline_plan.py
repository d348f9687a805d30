"""What a path's plan means for its tracks: which are copied, encoded, expected, covered. Pure but
for its log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from segmenter.media import MediaType, Track
from streaming.slate.messages import LadderToCover, RungSetup
from streaming.transcode.ladder import LadderPlan
from streaming.transcode.messages import StatusMessage
from streaming.transcode.transcode_link import TranscodePhase, TranscodeState

logger = logging.getLogger(__name__)

NOTHING: Final = LadderPlan((), False, False, None, 0.0, ())


def expected_names(plan: LadderPlan) -> tuple[str, ...]:
    """The renditions for players that a worker will bring."""
    names = [rung.name for rung in plan.rungs if rung.is_packaged]
    if plan.encode_audio is not None:
        names.append(plan.encode_audio.name)
    return tuple(names)


def inputs_of(tracks: Sequence[Track]) -> tuple[Track | None, Track | None]:
    """The picture and the sound that are encoded, where anything is: the first ones."""
    video = next((t for t in tracks if t.media_type is MediaType.VIDEO), None)
    audio = next((t for t in tracks if t.media_type is MediaType.AUDIO), None)
    return video, audio


def pictures_of(tracks: Mapping[str, Track]) -> list[str]:
    """Names of the pictures among them."""
    return [name for name, track in tracks.items() if track.media_type is MediaType.VIDEO]


def is_copied(track: Track, plan: LadderPlan) -> bool:
    """Whether it is packaged as the publisher sent it."""
    return plan.copies_video if track.media_type is MediaType.VIDEO else plan.copies_audio


def ladder_to_cover(
    plan: LadderPlan, tracks: Iterable[Track], status: StatusMessage
) -> LadderToCover | None:
    """What a slate of all encoded renditions has to look like; None before all of it is known."""
    encoders = {rung.name: rung.encoder for rung in status.rungs}
    known = {track.name: track for track in tracks}
    names = [rung.name for rung in plan.rungs if rung.name in known]
    if not all(name in encoders for name in names):
        return None
    rungs = [RungSetup(rung, encoders[rung.name]) for rung in plan.rungs if rung.name in known]
    if plan.encode_audio is not None and plan.encode_audio.name in known:
        names.append(plan.encode_audio.name)
    return LadderToCover(tuple(known[name] for name in names), tuple(rungs)) if names else None


def not_encoded(plan: LadderPlan, state: TranscodeState) -> tuple[str, ...]:
    """Renditions that nothing comes of for now: shed, taken by no encoder, or lost with a worker.

    Without a copied picture what a worker brought stays in the lists while its successor is
    awaited: sound alone would be left, and players read the multivariant playlist once.
    """
    is_lost = state.phase is TranscodePhase.RESTARTING and plan.copies_video
    return (*state.shed, *state.failed, *(expected_names(plan) if is_lost else ()))


def why_closed(layer: str) -> str:
    """For people."""
    return f"{layer} is not packaged: its key frames are not where those of the best picture are"


def log_plan(path: str, plan: LadderPlan) -> None:
    """What the path will make, and why."""
    names = [rung.name for rung in plan.rungs]
    if plan.copies_video:
        names.insert(0, "source")
    logger.info("path %s: ladder %s, about %.2f cores", path, " ".join(names), plan.cores)
    for reason in plan.reasons:
        logger.info("path %s: %s", path, reason)
