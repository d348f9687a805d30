"""Fragments as they lie in the media store, made on the spot."""

from __future__ import annotations

from typing import Any

from segmenter.media import Codec
from segmenter.presentation import Presentation
from segmenter.presentation_settings import PresentationSettings
from segmenter.segment import InitReady, PartReady
from tests.streaming.transcode.clips import EPOCH_S, steady, video_clip


def first_part(
    *, size: tuple[int, int] = (640, 360), codec: Codec = Codec.H264, b_frames: int = 0, **tags: Any
) -> tuple[bytes, bytes]:
    """Init section and first part of a clip."""
    clip = video_clip(
        steady(60, 30), size=size, gop=30, frame_rate=30, codec=codec, b_frames=b_frames, **tags
    )
    presentation = Presentation(PresentationSettings(segment_duration_s=1.0, part_duration_s=0.2))
    events = presentation.start([clip.track])
    for sample in clip.samples:
        events += presentation.push(sample, float(EPOCH_S))
    init = next(e.init.data for e in events if isinstance(e, InitReady))
    return init, next(e.data for e in events if isinstance(e, PartReady))
