"""Fragments of any writer back into samples; the door to all that reads fMP4."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from segmenter.errors import MediaError
from segmenter.media import MediaType, Sample, Track

from .box_tree import Box, read_boxes, records, required_record
from .fragment_records import DecodeTime, TrackFragmentHeader, TrackRun
from .init_reader import NO_DEFAULTS, InitTrack, read_init_section, read_init_tracks

__all__ = [
    "Box",
    "InitTrack",
    "read_boxes",
    "read_fragments",
    "read_init_section",
    "read_init_tracks",
]

MAX_SAMPLES = 65_536
"""Samples in one call: a trun can claim 2**32 in twenty bytes. Ten minutes of 100 fps."""

MAX_DECODE_S = 1 << 40
"""Of a sample, 35,000 years. Its ticks then fit 63 bits whatever timescale of ours they get."""
MAX_DECODE_TICKS = 1 << 62
"""The same in the timescale that it has."""

_IS_NON_SYNC: Final = 0x0001_0000


def read_fragments(data: bytes | memoryview, track: Track | InitTrack) -> list[Sample]:
    """The samples of one track in file order, with dts and pts in its timescale.

    With a plain Track all fragments must be of one track id and say their defaults themselves,
    as CMAF's do; an InitTrack selects by its id, and applies the defaults and the edit list of
    its init section. Raises MediaError for broken boxes, samples outside the data, and more than
    MAX_SAMPLES of them.
    """
    reading = _Reading(memoryview(data).cast("B"), track)
    for box in read_boxes(data):
        if box.name == "moof":
            reading.read_moof(box)
    return reading.samples


class _Reading:
    """One call of read_fragments: the samples so far, and what is left of its limits."""

    def __init__(self, data: memoryview, track: Track | InitTrack) -> None:
        self.samples: list[Sample] = []
        self._data = data
        self._count = 0
        # Runs may point at the same bytes again and again; samples may not outgrow the data.
        self._bytes_left = len(data)
        self._is_sole = isinstance(track, Track)
        self._init = InitTrack(track, 0, NO_DEFAULTS) if isinstance(track, Track) else track

    def read_moof(self, moof: Box) -> None:
        """Appends the samples of one movie fragment."""
        end = moof.offset
        for traf in moof.children_named("traf"):
            header = required_record(traf, TrackFragmentHeader)
            # Where a traf says nothing its data follow those of the one before (8.8.7.1).
            base = moof.offset if header.base_is_moof else end
            if header.base_data_offset is not None:
                base = header.base_data_offset
            end = self._read_traf(header, base, traf, is_wanted=self._is_wanted(header.track_id))

    def _is_wanted(self, track_id: int) -> bool:
        if not self._init.track_id:
            self._init = dataclasses.replace(self._init, track_id=track_id)
        is_wanted = track_id == self._init.track_id
        if not is_wanted and self._is_sole:
            raise MediaError(f"fragments of tracks {self._init.track_id} and {track_id} are mixed")
        return is_wanted

    def _read_traf(
        self, header: TrackFragmentHeader, base: int, traf: Box, *, is_wanted: bool
    ) -> int:
        """Reads the runs of one track fragment; returns where its data end."""
        position = base
        dts = 0
        if is_wanted:
            time = required_record(traf, DecodeTime)
            dts = time.base_media_decode_time + self._init.edit_shift
            self._check_time(dts)
        for run in records(traf.children, TrackRun):
            if run.data_offset is not None:
                position = base + run.data_offset
            self._count += run.sample_count
            if self._count > MAX_SAMPLES:
                raise MediaError(f"more than {MAX_SAMPLES} samples")
            sizes = self._sizes(header, run)
            end = position + sum(sizes)
            if is_wanted:
                self._check_range(position, end)
                dts = self._read_run(header, run, sizes, position, dts)
            position = end
        return position

    def _check_time(self, dts: int) -> None:
        if abs(dts) >= min(MAX_DECODE_TICKS, MAX_DECODE_S * self._init.track.timescale):
            raise MediaError(f"a decode time of {dts} ticks")

    def _check_range(self, start: int, end: int) -> None:
        self._bytes_left -= end - start
        if start < 0 or end > len(self._data) or self._bytes_left < 0:
            raise MediaError(f"run of {end - start} bytes at {start} is outside the data")

    def _sizes(self, header: TrackFragmentHeader, run: TrackRun) -> Sequence[int]:
        if run.sizes is not None:
            return run.sizes
        return (_first(header.size, self._init.defaults.size),) * run.sample_count

    def _read_run(
        self,
        header: TrackFragmentHeader,
        run: TrackRun,
        sizes: Sequence[int],
        position: int,
        dts: int,
    ) -> int:
        """Appends a run's samples that lie at ``position``; returns the dts after them."""
        init, count = self._init, run.sample_count
        track = init.track
        durations = run.durations or (_first(header.duration, init.defaults.duration),) * count
        offsets = run.composition_offsets or (0,) * count
        is_audio = track.media_type is MediaType.AUDIO
        for duration, size, flags, offset in zip(
            durations, sizes, self._flags(header, run), offsets, strict=True
        ):
            data = bytes(self._data[position : position + size])
            if init.nal_length_bytes != 4:
                data = _with_4_byte_lengths(data, init.nal_length_bytes)
            is_sync = is_audio or not flags & _IS_NON_SYNC
            self.samples.append(Sample(track.name, dts, dts + offset, data, is_sync, duration))
            position += size
            dts += duration
        return dts

    def _flags(self, header: TrackFragmentHeader, run: TrackRun) -> Sequence[int]:
        if run.flags is not None:
            return run.flags
        default = _first(header.sample_flags, self._init.defaults.flags)
        if run.first_sample_flags is None or not run.sample_count:
            return (default,) * run.sample_count
        return (run.first_sample_flags, *((default,) * (run.sample_count - 1)))


def _first(said: int | None, default: int) -> int:
    return default if said is None else said


def _with_4_byte_lengths(data: bytes, length_bytes: int) -> bytes:
    """NAL units prefixed by 1, 2 or 3 bytes of length in our canonical form."""
    pieces, position = [], 0
    while position < len(data):
        start = position + length_bytes
        size = int.from_bytes(data[position:start])
        position = start + size
        if start > len(data) or position > len(data):
            raise MediaError(f"NAL unit of {size} bytes at {start} in {len(data)} bytes")
        pieces += [size.to_bytes(4), data[start:position]]
    return b"".join(pieces)
