"""What C writes of a run is what the Python beside it writes, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import UsageError
from segmenter.fmp4 import fragment
from segmenter.fmp4.fragment import ProducerReference, write_fragment
from segmenter.media import Payload, Sample, Track
from segmenter.native_choice import native
from tests.segmenter.stage import AUDIO, SOURCE

pytestmark = pytest.mark.skipif(native is None, reason="no compiler was at hand")

steps = st.one_of(st.integers(1, 9000), st.just(3000), st.integers(-2, 1 << 33))
moments = st.lists(
    st.tuples(
        st.one_of(st.just(3000), st.just(3000), steps),
        st.one_of(st.just(0), st.integers(-9000, 9000), st.integers(-(1 << 33), 1 << 33)),
        st.one_of(st.just(b"abcd"), st.binary(max_size=9)),
        st.booleans(),
    ),
    max_size=12,
)


def outcome(
    track: Track, samples: list[Sample], end: int, sequence_number: int, **said: bool
) -> list[Payload] | str:
    producer_time = ProducerReference(1.8e9, 7) if said["prft"] else None
    try:
        return write_fragment(
            track, samples, sequence_number, end=end, styp=said["styp"],
            producer_time=producer_time, is_last_segment=said["last"],
            events=[b"event"] if said["event"] else (),
        )  # fmt: skip
    except UsageError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([SOURCE, AUDIO]),
    moments,
    st.one_of(st.integers(0, 1 << 50), st.integers(-5, 5)),
    st.integers(0, 1 << 33),
    st.fixed_dictionaries({name: st.booleans() for name in ("styp", "prft", "last", "event")}),
    st.sampled_from([None, None, 0, 1]),
)
def test_a_fragment_is_the_same_with_and_without_the_extension(
    track: Track,
    moments: list[tuple[int, int, bytes, bool]],
    start: int,
    sequence_number: int,
    said: dict[str, bool],
    only_sync: int | None,
) -> None:
    samples, time = [], start
    for index, (step, offset, data, is_sync) in enumerate(moments):
        is_sync = is_sync if only_sync is None else bool(only_sync) or index == 0
        samples.append(Sample(track.name, time, time + offset, data, is_sync))
        time += step
    ours = outcome(track, samples, time, sequence_number, **said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragment, "native", None)
        assert outcome(track, samples, time, sequence_number, **said) == ours


def test_payloads_are_not_copied() -> None:
    reader = native.TagReader([(9, b"\x27\x01", 5, 2, "source", False, -1, b"")])
    tag = bytes.fromhex("090000070000000000000027010000000041") + b"\x9a" + bytes(4)
    out: list[Sample] = []
    reader.read_tags(tag * 3, 0, 0, 0.0, out)
    pieces = write_fragment(SOURCE, out[:1], 1, end=3000)
    assert isinstance(pieces[1], memoryview)
    assert bytes(pieces[1]) == out[0].data
