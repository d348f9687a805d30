"""H.264: avcC (ISO/IEC 14496-15 5.3.3), parameter sets and access units.

Canonical access units are NAL units behind 4-byte lengths, parameter sets on the track. All
functions take a peer's bytes and raise MediaError, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.codecs.h264_sps import NAL_SPS, SpsInfo, parse_sps
from segmenter.codecs.nal_units import (
    first_slice_type,
    join_length_prefixed,
    split_annex_b,
    split_length_prefixed,
)
from segmenter.errors import MediaError

__all__ = [
    "AvcConfig",
    "SpsInfo",
    "access_unit",
    "decoder_configuration_from_nals",
    "is_sync",
    "join_length_prefixed",
    "parameter_sets",
    "parse_decoder_configuration",
    "parse_sps",
    "split_annex_b",
    "split_length_prefixed",
    "write_decoder_configuration",
]

NAL_IDR = 5
NAL_PPS = 8
NAL_AUD = 9
NAL_SPS_EXTENSION = 13

_SLICES = range(1, 6)
_MAX_SPS = 31
_MAX_PPS = 255
_PROFILES_WITHOUT_EXTENSION = frozenset({66, 77, 88})

_NOT_IN_SAMPLES = frozenset({NAL_SPS, NAL_PPS, NAL_AUD, NAL_SPS_EXTENSION})


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """AVCDecoderConfigurationRecord without its repetition of chroma format and bit depth."""

    profile_idc: int
    constraint_flags: int
    level_idc: int
    nal_length_bytes: int
    """1, 2 or 4: size of the length before each NAL unit of the publisher's samples."""
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]


def parse_decoder_configuration(config: bytes) -> AvcConfig:
    """Parse the content of avcC, as FLV and MP4 carry it.

    What follows the PPS (chroma format, SPS extensions) is not read: old writers leave it out
    and the SPS says it too. Raises MediaError.
    """
    if len(config) < 7 or config[0] != 1:
        raise MediaError(f"not an AVC configuration: {bytes(config[:7]).hex()}")
    nal_length_bytes = (config[4] & 3) + 1
    if nal_length_bytes == 3:
        raise MediaError("AVC configuration with NAL unit lengths of 3 bytes")
    sps, position = _read_sets(config, 6, config[5] & 0x1F, NAL_SPS)
    if position >= len(config):
        raise MediaError("AVC configuration ends before its PPS count")
    pps, _ = _read_sets(config, position + 1, config[position], NAL_PPS)
    return AvcConfig(config[1], config[2], config[3], nal_length_bytes, sps, pps)


def _read_sets(
    config: bytes, position: int, count: int, nal_type: int
) -> tuple[tuple[bytes, ...], int]:
    sets: list[bytes] = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(config[position:start], "big")
        if position > len(config) or position == start:
            raise MediaError("parameter set of AVC configuration is empty or cut off")
        if config[start] & 0x1F != nal_type:
            raise MediaError(f"NAL unit type {config[start] & 0x1F} instead of {nal_type}")
        sets.append(bytes(config[start:position]))
    return tuple(sets), position


def write_decoder_configuration(
    sps_list: Sequence[bytes | memoryview], pps_list: Sequence[bytes | memoryview]
) -> bytes:
    """The content of avcC for samples with 4-byte lengths.

    Profiles above Main, and Extended, carry chroma format and bit depths at the end, as
    14496-15 5.3.3.1.2 demands. Raises MediaError when there are no or too many parameter sets,
    or when the first SPS is broken.
    """
    if not 0 < len(sps_list) <= _MAX_SPS or not 0 < len(pps_list) <= _MAX_PPS:
        raise MediaError(f"{len(sps_list)} SPS and {len(pps_list)} PPS do not make an avcC")
    info = parse_sps(sps_list[0])
    head = bytes((1, info.profile_idc, info.constraint_flags, info.level_idc, 0xFF))
    pieces = [head, bytes((0xE0 | len(sps_list),)), _write_sets(sps_list)]
    pieces += [bytes((len(pps_list),)), _write_sets(pps_list)]
    if info.profile_idc not in _PROFILES_WITHOUT_EXTENSION:
        luma, chroma = info.bit_depth_luma - 8, info.bit_depth_chroma - 8
        pieces.append(bytes((0xFC | info.chroma_format_idc, 0xF8 | luma, 0xF8 | chroma, 0)))
    return b"".join(pieces)


def _write_sets(sets: Sequence[bytes | memoryview]) -> bytes:
    pieces: list[bytes | memoryview] = []
    for nal in sets:
        if not 0 < len(nal) <= 0xFFFF:
            raise MediaError(f"parameter set of {len(nal)} bytes")
        pieces += (len(nal).to_bytes(2, "big"), nal)
    return b"".join(pieces)


def parameter_sets(nals: Sequence[bytes | memoryview]) -> tuple[list[bytes], list[bytes]]:
    """The SPS and the PPS among ``nals``, each once, in order; empty lists when none."""
    sps: dict[bytes, None] = {}
    pps: dict[bytes, None] = {}
    for nal in nals:
        nal_type = nal[0] & 0x1F if nal else 0
        if nal_type == NAL_SPS:
            sps[bytes(nal)] = None
        elif nal_type == NAL_PPS:
            pps[bytes(nal)] = None
    return list(sps), list(pps)


def decoder_configuration_from_nals(nals: Sequence[bytes | memoryview]) -> bytes:
    """avcC from the parameter sets among ``nals``: an encoder's extradata or first access unit.

    Raises MediaError when an SPS or a PPS is missing.
    """
    return write_decoder_configuration(*parameter_sets(nals))


def access_unit(nals: Sequence[bytes | memoryview]) -> bytes:
    """The canonical sample: ``nals`` without parameter sets and delimiters, length-prefixed."""
    return join_length_prefixed(nal for nal in nals if nal and nal[0] & 0x1F not in _NOT_IN_SAMPLES)


def is_sync(data: bytes) -> bool:
    """Whether a canonical sample is an IDR picture. Raises MediaError on broken lengths."""
    return first_slice_type(data, 0, 0x1F, _SLICES) == NAL_IDR
