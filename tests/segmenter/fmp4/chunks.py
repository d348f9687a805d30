"""Fragments in one piece, as a reader gets them."""

from __future__ import annotations

from collections.abc import Sequence

from segmenter.fmp4 import fragment
from segmenter.fmp4.fragment import ProducerReference
from segmenter.media import Sample, Track


def write_chunk(
    track: Track,
    samples: Sequence[Sample],
    sequence_number: int,
    *,
    styp: bool = False,
    producer_time: ProducerReference | None = None,
    is_last_segment: bool = False,
    events: Sequence[bytes] = (),
) -> bytes:
    """See write_fragment."""
    return b"".join(
        fragment.write_fragment(
            track,
            samples,
            sequence_number,
            styp=styp,
            producer_time=producer_time,
            is_last_segment=is_last_segment,
            events=events,
        )
    )
