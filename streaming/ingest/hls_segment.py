"""The bytes of HLS segments, fMP4, transport stream or packed audio, to tracks and samples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.container import InputContainer

from segmenter.codecs import opus
from segmenter.errors import MediaError
from segmenter.fmp4.reader import InitTrack, read_fragments, read_init_tracks
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Sample
from segmenter.source_clock import MPEG_TS_CLOCK
from streaming.errors import RemoteError
from streaming.ingest.canonical import CanonicalForm, StreamFacts, canonical_form
from streaming.ingest.demux import Demuxer, read_packets
from streaming.ingest.pacing import Item, Tracks

_TS_SYNC = 0x47
_TS_PACKET_BYTES = 188
_ID3 = b"ID3"
_ID3_OWNER = b"com.apple.streaming.transportStreamTimestamp\x00"
_HALF_WRAP = 1 << 32


class SegmentReader:
    """Reads the segments of one playlist in order; the thread that fetches them calls it.

    Samples carry ticks of 90 kHz, unwrapped. `names` are those of the tracks to read: the video
    and audio of a variant, or the audio alone of an audio rendition.
    """

    def __init__(self, names: Sequence[str], frame_rate: Fraction = Fraction(0)) -> None:
        self._names = frozenset(names)
        self._frame_rate = frame_rate
        self._init = b""
        self._lanes: list[_Lane] = []
        self._near: int | None = None
        self._tracks: Tracks = ()

    def read(self, data: bytes, init: bytes) -> list[Item]:
        """One segment; `init` is its media initialization section, or empty.

        A list of tracks comes first where it differs from the segment's before. Raises MediaError
        or RemoteError when the bytes make no sense.
        """
        items = self._read_fragments(data, init) if init else self._read_stream(data)
        return self._announce_changes(items)

    def _announce_changes(self, items: list[Item]) -> list[Item]:
        kept: list[Item] = []
        for item in items:
            if isinstance(item, Sample):
                if item.track in self._names:
                    kept.append(item)
                continue
            tracks = tuple(track for track in item if track.name in self._names)
            if not _is_same(tracks, self._tracks):
                self._tracks = tracks
                kept.append(tracks)
        return kept

    # -- fMP4 --------------------------------------------------------------------------------

    def _read_fragments(self, data: bytes, init: bytes) -> list[Item]:
        if init != self._init:
            self._lanes = _open_lanes(read_init_tracks(init), self._frame_rate)
            self._init = init
        samples = [sample for lane in self._lanes for sample in lane.read(data)]
        samples.sort(key=lambda sample: sample.dts)
        return [tuple(lane.form.track for lane in self._lanes if lane.form.track), *samples]

    # -- transport stream and packed audio ---------------------------------------------------

    def _read_stream(self, data: bytes) -> list[Item]:
        is_ts = data[:1] == bytes((_TS_SYNC,)) and len(data) >= _TS_PACKET_BYTES
        shift = 0 if is_ts else _packed_audio_start(data)
        try:
            with av.open(io.BytesIO(data), "r", format="mpegts" if is_ts else None) as container:
                items = _demux(container)
        except (av.FFmpegError, ValueError) as error:
            why = error.strerror if isinstance(error, av.FFmpegError) else str(error)
            raise RemoteError(f"unreadable segment: {why}") from error
        if not is_ts:
            items = _begin_at(items, shift)
        return [self._unwrap(item) if isinstance(item, Sample) else item for item in items]

    def _unwrap(self, sample: Sample) -> Sample:
        """Puts a 33-bit stamp next to the one before."""
        near = sample.dts if self._near is None else self._near
        dts = MPEG_TS_CLOCK.unwrap(sample.dts, near, behind=_HALF_WRAP, ahead=_HALF_WRAP)
        if dts is None:  # further off than half a wrap: not a wrap
            dts = sample.dts
        self._near = dts
        shift = dts - sample.dts
        return replace(sample, dts=dts, pts=sample.pts + shift) if shift else sample


def _is_same(tracks: Tracks, before: Tracks) -> bool:
    """Bitrate and frame rate are FFmpeg's guesses, which differ from segment to segment."""
    return len(tracks) == len(before) and all(
        replace(new, bitrate=old.bitrate, frame_rate=old.frame_rate) == old
        for new, old in zip(tracks, before, strict=True)
    )


def _demux(container: InputContainer) -> list[Item]:
    demuxer = Demuxer(container)
    items = [i for p in read_packets(container, demuxer.streams) for i in demuxer.push(p)]
    return items + demuxer.flush()


@dataclass(frozen=True, slots=True)
class _Lane:
    """One track of an init section and its way into the canonical form."""

    init: InitTrack
    form: CanonicalForm

    def read(self, data: bytes) -> list[Sample]:
        """The track's samples in a segment; none before its configuration is known."""
        scale = self.init.track.timescale
        samples: list[Sample] = []
        for sample in read_fragments(data, self.init):
            units = self.form.read(sample.data, sample.is_sync)
            if not units or self.form.track is None:
                continue
            samples.append(
                Sample(
                    track=self.form.track.name,
                    dts=_rescale(sample.dts, scale, VIDEO_TIMESCALE),
                    pts=_rescale(sample.pts, scale, VIDEO_TIMESCALE),
                    data=units[0].data,
                    is_sync=units[0].is_sync,
                    duration=_rescale(sample.duration, scale, self.form.track.timescale),
                )
            )
        return samples


def _open_lanes(tracks: list[InitTrack], frame_rate: Fraction) -> list[_Lane]:
    """The first video and the first audio track, under our names."""
    chosen: dict[str, _Lane] = {}
    for init in tracks:
        track = init.track
        is_video = track.media_type is MediaType.VIDEO
        name = "source" if is_video else "audio"
        config = track.codec_config
        if track.codec is Codec.OPUS:
            config = opus.write_opus_head(opus.parse_dops(config))
        facts = StreamFacts(
            name,
            track.codec,
            config,
            width=track.width,
            height=track.height,
            frame_rate=frame_rate,
            sample_rate=track.sample_rate,
            channels=track.channels,
            language=track.language,
        )
        if name not in chosen:
            chosen[name] = _Lane(init, canonical_form(facts))
    return list(chosen.values())


def _rescale(ticks: int, timescale: int, target: int) -> int:
    """Ticks of one timescale in another, rounded to nearest."""
    return (2 * ticks * target + timescale) // (2 * timescale)


def _packed_audio_start(data: bytes) -> int:
    """The 33-bit stamp in the ID3 tag that packed audio begins with (RFC 8216bis 3.4).

    Raises MediaError when there is none: nothing else places the segment in time.
    """
    at = data.find(_ID3_OWNER, 0, 4_096) if data[:3] == _ID3 else -1
    stamp = data[at + len(_ID3_OWNER) : at + len(_ID3_OWNER) + 8] if at >= 0 else b""
    if len(stamp) < 8:
        raise MediaError("a segment that is neither fMP4 nor a transport stream nor packed audio")
    return int.from_bytes(stamp, "big") & ((1 << 33) - 1)


def _begin_at(items: list[Item], start: int) -> list[Item]:
    first = next((item.dts for item in items if isinstance(item, Sample)), 0)
    shift = start - first
    return [
        replace(item, dts=item.dts + shift, pts=item.pts + shift)
        if isinstance(item, Sample)
        else item
        for item in items
    ]
