"""Any container's access units into our canonical form, and the track that they make.

FFmpeg gives H.264 and H.265 with start codes (transport streams, RTSP) or with lengths (MP4, FLV),
AAC with ADTS headers or without, AV1 with or without temporal delimiters; the track's
configuration comes from the container or only with the first key frame. Sans-IO; everything
raises MediaError when the bytes are broken.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from segmenter.codecs import aac, adts, av1, h264, h265, mp3, opus, vp9
from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec, Track

MAX_FRAME_RATE = 300
"""Above this a rate is a clock: variable frame rates are written as 1000 or 90000 per second."""
_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_OPUS_PRE_SKIP = 312
"""What libopus writes (RFC 7845 5.1 recommends to skip 80 ms, encoders say 6.5)."""


ParameterSets = tuple[list[bytes], ...]
SpsInfo = h264.SpsInfo | h265.SpsInfo


class AccessUnit(NamedTuple):
    """One canonical access unit; `duration` is in ticks of the track, 0 when only dts tell."""

    data: bytes
    is_sync: bool
    duration: int = 0


class PlainUnits(NamedTuple):
    """Which packets without a key frame are one access unit just as they are, none empty: those
    whose byte at ``judged_at`` (-1: no byte decides) is missing or not among ``special``."""

    judged_at: int
    special: bytes


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What the container says about one stream; zeros and empty bytes where it says nothing."""

    name: str
    codec: Codec
    extradata: bytes
    width: int = 0
    height: int = 0
    frame_rate: Fraction = Fraction(0)
    sample_rate: int = 0
    channels: int = 0
    bitrate: int = 0
    language: str = ""


class CanonicalForm(ABC):
    """Converts one stream; a demuxer owns it. `track` is None until the bytes have told it."""

    def __init__(self, facts: StreamFacts) -> None:
        self._facts = facts
        self.track: Track | None = None

    @property
    def plain_units(self) -> PlainUnits | None:
        """What needs no ``read``; None where each packet does."""
        return None

    @abstractmethod
    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        """The access units in one packet; `is_key` is what the container says of it.

        A new object in `track` afterwards means a new configuration from these units on.
        """

    def _video_track(self, config: bytes, width: int, height: int, rate: Fraction) -> Track:
        facts = self._facts
        return Track(
            name=facts.name,
            codec=facts.codec,
            timescale=VIDEO_TIMESCALE,
            codec_config=config,
            width=width or facts.width,
            height=height or facts.height,
            frame_rate=rate if 0 < rate <= MAX_FRAME_RATE else facts.frame_rate,
            bitrate=facts.bitrate,
            language=facts.language,
        )

    def _audio_track(self, config: bytes, sample_rate: int, channels: int) -> Track:
        facts = self._facts
        return Track(
            name=facts.name,
            codec=facts.codec,
            timescale=sample_rate,
            codec_config=config,
            sample_rate=sample_rate,
            channels=channels,
            bitrate=facts.bitrate,
            language=facts.language,
        )


class _NalUnits(CanonicalForm):
    """H.264 and H.265; parameter sets between the pictures move to the track."""

    def __init__(self, facts: StreamFacts) -> None:
        super().__init__(facts)
        self._length_bytes = 0
        self._known: frozenset[bytes] = frozenset()
        self._idr_seen = False
        extradata = facts.extradata
        if extradata.startswith(_START_CODES):
            self._learn(h264.split_annex_b(extradata))
        elif extradata:
            self._length_bytes, sets = self._parse_record(extradata)
            self._learn(sets)

    @property
    def plain_units(self) -> PlainUnits | None:
        if self._length_bytes != 4:
            return None
        judge = self._begins_with_parameters
        return PlainUnits(4, bytes(first for first in range(256) if judge(bytes((first,)))))

    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        if self._length_bytes == 4 and not self._begins_with_parameters(data[4:5]):
            unit = data
        else:
            nals = self._split(data)
            if is_key:
                self._learn(nals)
            unit = self._join(nals)
        return [AccessUnit(unit, self._is_sync(unit, is_key))] if unit else []

    def _split(self, data: bytes) -> Sequence[bytes | memoryview]:
        if self._length_bytes:
            return h264.split_length_prefixed(data, self._length_bytes)
        return h264.split_annex_b(data)

    def _is_sync(self, unit: bytes, is_key: bool) -> bool:
        if not is_key:
            return False
        if self._is_random_access(unit):
            self._idr_seen = True
            return True
        # Broadcast streams may have no IDR at all, only recovery points, which FFmpeg flags.
        return not self._idr_seen

    def _learn(self, nals: Sequence[bytes | memoryview]) -> None:
        """Takes the configuration from the parameter sets among `nals`, if they are all there."""
        sets = self._parameter_sets(nals)
        new = frozenset(itertools.chain(*sets))
        if not all(sets) or new <= self._known:
            return
        config, info = self._configure(sets)
        self._known = new
        self.track = self._video_track(config, info.width, info.height, info.frame_rate)

    @abstractmethod
    def _parse_record(self, record: bytes) -> tuple[int, list[bytes]]:
        """Size of the lengths and all parameter sets of avcC or hvcC."""

    @abstractmethod
    def _parameter_sets(self, nals: Sequence[bytes | memoryview]) -> ParameterSets:
        """The parameter sets among `nals`, a list for each kind."""

    @abstractmethod
    def _configure(self, sets: ParameterSets) -> tuple[bytes, SpsInfo]:
        """The content of avcC or hvcC, and what the first SPS says."""

    @abstractmethod
    def _join(self, nals: Sequence[bytes | memoryview]) -> bytes: ...

    @abstractmethod
    def _is_random_access(self, unit: bytes) -> bool: ...

    @abstractmethod
    def _begins_with_parameters(self, first: bytes) -> bool:
        """Whether a unit that begins so has something that does not belong into samples."""


class _H264(_NalUnits):
    def _parse_record(self, record: bytes) -> tuple[int, list[bytes]]:
        parsed = h264.parse_decoder_configuration(record)
        return parsed.nal_length_bytes, [*parsed.sps, *parsed.pps]

    def _parameter_sets(self, nals: Sequence[bytes | memoryview]) -> ParameterSets:
        return h264.parameter_sets(nals)

    def _configure(self, sets: ParameterSets) -> tuple[bytes, SpsInfo]:
        return h264.write_decoder_configuration(*sets), h264.parse_sps(sets[0][0])

    def _join(self, nals: Sequence[bytes | memoryview]) -> bytes:
        return h264.access_unit(nals)

    def _is_random_access(self, unit: bytes) -> bool:
        return h264.is_sync(unit)

    def _begins_with_parameters(self, first: bytes) -> bool:
        return bool(first) and first[0] & 0x1F in (7, 8, 9, 13)


class _H265(_NalUnits):
    def _parse_record(self, record: bytes) -> tuple[int, list[bytes]]:
        parsed = h265.parse_decoder_configuration(record)
        return parsed.nal_length_bytes, [*parsed.vps, *parsed.sps, *parsed.pps]

    def _parameter_sets(self, nals: Sequence[bytes | memoryview]) -> ParameterSets:
        return h265.parameter_sets(nals)

    def _configure(self, sets: ParameterSets) -> tuple[bytes, SpsInfo]:
        return h265.write_decoder_configuration(*sets), h265.parse_sps(sets[1][0])

    def _join(self, nals: Sequence[bytes | memoryview]) -> bytes:
        return h265.access_unit(nals)

    def _is_random_access(self, unit: bytes) -> bool:
        return h265.is_sync(unit)

    def _begins_with_parameters(self, first: bytes) -> bool:
        return bool(first) and first[0] >> 1 & 0x3F in (32, 33, 34, 35)


class _Av1(CanonicalForm):
    def __init__(self, facts: StreamFacts) -> None:
        super().__init__(facts)
        self._sequence_header = b""

    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        unit = av1.strip_temporal_delimiters(data)
        is_sync = is_key and av1.is_sync(unit)
        if is_sync:
            self._learn(unit)
        return [AccessUnit(unit, is_sync)] if unit else []

    def _learn(self, unit: bytes) -> None:
        """From the key frame, because av1C of some encoders differs from what they send."""
        header = av1.find_sequence_header(unit)
        if header and header != self._sequence_header:
            self._sequence_header = header
            self._describe(av1.write_decoder_configuration(header))
        elif self.track is None:
            self._describe(self._facts.extradata)

    def _describe(self, config: bytes) -> None:
        info = av1.parse_decoder_configuration(config).sequence_header
        if info is None:
            raise MediaError("neither av1C nor the key frame has a sequence header")
        self.track = self._video_track(config, info.width, info.height, info.frame_rate)


class _Vp9(CanonicalForm):
    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        is_sync = vp9.is_sync(data)
        if is_sync:
            self._learn(data)
        return [AccessUnit(data, is_sync)]

    def _learn(self, frame: bytes) -> None:
        config = vp9.decoder_configuration_from_frame(frame, self._facts.frame_rate)
        header = vp9.parse_frame_header(frame)
        track = self._video_track(config, header.width, header.height, Fraction(0))
        if track != self.track:
            self.track = track


class _Aac(CanonicalForm):
    def __init__(self, facts: StreamFacts) -> None:
        super().__init__(facts)
        self._has_adts = not facts.extradata
        self._frame_ticks = 0
        self._config = b""
        if facts.extradata:
            self._learn(facts.extradata)

    @property
    def plain_units(self) -> PlainUnits | None:
        return None if self._has_adts else PlainUnits(-1, b"")

    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        if not self._has_adts:
            return [AccessUnit(data, True, self._frame_ticks)]
        self._learn(adts.audio_specific_config(adts.parse_adts_header(data)))
        return [AccessUnit(bytes(raw), True, self._frame_ticks) for raw in adts.split_adts(data)]

    def _learn(self, config: bytes) -> None:
        if config == self._config:
            return
        info = aac.parse_audio_specific_config(config)
        self._config = config
        self._frame_ticks = info.samples_per_frame
        self.track = self._audio_track(config, info.sample_rate, info.channels)


class _Opus(CanonicalForm):
    def __init__(self, facts: StreamFacts) -> None:
        super().__init__(facts)
        if facts.extradata:
            config = opus.dops_from_opus_head(facts.extradata)
        else:
            stereo = opus.OpusConfig(facts.channels or 2, _OPUS_PRE_SKIP, opus.SAMPLE_RATE)
            config = opus.write_dops(stereo)
        channels = opus.parse_dops(config).channels
        self.track = self._audio_track(config, opus.SAMPLE_RATE, channels)

    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        return [AccessUnit(data, True, opus.packet_duration(data))]


class _Mp3(CanonicalForm):
    def read(self, data: bytes, is_key: bool) -> list[AccessUnit]:
        frames = mp3.split_frames(data)
        first, _ = frames[0]
        form = (first.sample_rate, first.channels)
        if self.track is None or form != (self.track.sample_rate, self.track.channels):
            self.track = self._audio_track(b"", *form)
        return [
            AccessUnit(bytes(frame), True, header.samples)
            for header, frame in frames
            if (header.sample_rate, header.channels) == form
        ]


_FORMS: dict[Codec, type[CanonicalForm]] = {
    Codec.H264: _H264,
    Codec.H265: _H265,
    Codec.AV1: _Av1,
    Codec.VP9: _Vp9,
    Codec.AAC: _Aac,
    Codec.OPUS: _Opus,
    Codec.MP3: _Mp3,
}


def canonical_form(facts: StreamFacts) -> CanonicalForm:
    """The converter for one stream. Raises MediaError when its configuration is broken."""
    return _FORMS[facts.codec](facts)
