"""One track of a publisher: its configuration to a Track, its packets to canonical samples.

Everything here raises MediaError when the bytes are broken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from segmenter.codecs import aac, h264, h265, opus
from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec, Track


class ElementaryStream(Protocol):
    """Knows one codec; owned by a demuxer."""

    track: Track
    """A new object when a packet brought a new configuration with it."""

    def read(self, body: memoryview, is_key: bool) -> tuple[bytes, bool]:
        """(canonical access unit, whether it is a sync sample); no bytes when nothing is left.

        ``is_key`` is what the container says: a sync sample must be one for both.
        """


def open_stream(name: str, codec: Codec, config: bytes) -> ElementaryStream:
    """The stream that ``config`` (a sequence header's body) describes."""
    return _OPENERS[codec](name, config)


# -- H.264 and H.265 -------------------------------------------------------------------------------

ParameterSets: TypeAlias = tuple[Sequence[bytes], ...]
"""The lists of SPS and PPS, or of VPS, SPS and PPS."""


@dataclass(frozen=True, slots=True)
class _NalCodec:
    parse: Callable[[bytes], tuple[int, ParameterSets]]
    write: Callable[..., bytes]
    describe: Callable[[str, bytes, ParameterSets], Track]
    split: Callable[[bytes, int], list[memoryview]]
    parameter_sets: Callable[[Sequence[memoryview]], ParameterSets]
    access_unit: Callable[[Sequence[memoryview]], bytes]
    join: Callable[[Sequence[memoryview]], bytes]
    is_sync: Callable[[bytes], bool]


class _NalStream:
    """Length-prefixed NAL units; parameter sets between the pictures move to the track."""

    def __init__(self, name: str, config: bytes, codec: _NalCodec) -> None:
        self._codec = codec
        self._length_bytes, self._sets = codec.parse(config)
        if not all(self._sets):
            raise MediaError("decoder configuration lacks parameter sets")
        if self._length_bytes != 4:
            config = codec.write(*self._sets)
        self.track = codec.describe(name, config, self._sets)

    def read(self, body: memoryview, is_key: bool) -> tuple[bytes, bool]:
        codec = self._codec
        data = bytes(body)
        nals = codec.split(data, self._length_bytes)
        found = codec.parameter_sets(nals)
        if any(found):
            self._adopt(found)
            data = codec.access_unit(nals)
        elif self._length_bytes != 4:
            data = codec.join(nals)
        return data, is_key and codec.is_sync(data)

    def _adopt(self, found: ParameterSets) -> None:
        """In-band sets replace the lists of their kinds as soon as one of them is new."""
        sets = tuple(
            new if any(nal not in old for nal in new) else old
            for new, old in zip(found, self._sets, strict=True)
        )
        if sets != self._sets:
            config = self._codec.write(*sets)
            self.track = self._codec.describe(self.track.name, config, sets)
            self._sets = sets


def _parse_avc(config: bytes) -> tuple[int, ParameterSets]:
    parsed = h264.parse_decoder_configuration(config)
    return parsed.nal_length_bytes, (parsed.sps, parsed.pps)


def _describe_avc(name: str, config: bytes, sets: ParameterSets) -> Track:
    info = h264.parse_sps(sets[0][0])
    return _video_track(name, Codec.H264, config, info)


def _parse_hevc(config: bytes) -> tuple[int, ParameterSets]:
    parsed = h265.parse_decoder_configuration(config)
    return parsed.nal_length_bytes, (parsed.vps, parsed.sps, parsed.pps)


def _describe_hevc(name: str, config: bytes, sets: ParameterSets) -> Track:
    info = h265.parse_sps(sets[1][0])
    return _video_track(name, Codec.H265, config, info)


def _video_track(
    name: str, codec: Codec, config: bytes, info: h264.SpsInfo | h265.SpsInfo
) -> Track:
    return Track(
        name=name,
        codec=codec,
        timescale=VIDEO_TIMESCALE,
        codec_config=config,
        width=info.width,
        height=info.height,
        frame_rate=info.frame_rate,
    )


_H264 = _NalCodec(
    parse=_parse_avc,
    write=h264.write_decoder_configuration,
    describe=_describe_avc,
    split=h264.split_length_prefixed,
    parameter_sets=h264.parameter_sets,
    access_unit=h264.access_unit,
    join=h264.join_length_prefixed,
    is_sync=h264.is_sync,
)
_H265 = _NalCodec(
    parse=_parse_hevc,
    write=h265.write_decoder_configuration,
    describe=_describe_hevc,
    split=h265.split_length_prefixed,
    parameter_sets=h265.parameter_sets,
    access_unit=h265.access_unit,
    join=h265.join_length_prefixed,
    is_sync=h265.is_sync,
)


# -- audio -----------------------------------------------------------------------------------------


class _AudioStream:
    """Packets that are access units as they come, each one a sync sample."""

    def __init__(self, track: Track) -> None:
        self.track = track

    def read(self, body: memoryview, is_key: bool) -> tuple[bytes, bool]:
        return bytes(body), True


def _open_aac(name: str, config: bytes) -> ElementaryStream:
    parsed = aac.parse_audio_specific_config(config)
    return _AudioStream(
        Track(
            name=name,
            codec=Codec.AAC,
            timescale=parsed.sample_rate,
            codec_config=config,
            sample_rate=parsed.sample_rate,
            channels=parsed.channels,
        )
    )


def _open_opus(name: str, config: bytes) -> ElementaryStream:
    parsed = opus.parse_opus_head(config)
    return _AudioStream(
        Track(
            name=name,
            codec=Codec.OPUS,
            timescale=opus.SAMPLE_RATE,
            codec_config=opus.write_dops(parsed),
            sample_rate=opus.SAMPLE_RATE,
            channels=parsed.channels,
        )
    )


def _not_yet(name: str, config: bytes) -> ElementaryStream:
    raise MediaError("this codec is not read here yet")


_OPENERS: dict[Codec, Callable[[str, bytes], ElementaryStream]] = {
    Codec.H264: lambda name, config: _NalStream(name, config, _H264),
    Codec.H265: lambda name, config: _NalStream(name, config, _H265),
    Codec.AV1: _not_yet,
    Codec.VP9: _not_yet,
    Codec.AAC: _open_aac,
    Codec.OPUS: _open_opus,
}
