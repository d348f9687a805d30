"""H.265: hvcC (ISO/IEC 14496-15 8.3.3), parameter sets and access units.

Canonical access units are NAL units behind 4-byte lengths, parameter sets on the track. All
functions take a peer's bytes and raise MediaError, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.codecs.h265_parameter_sets import (
    NAL_PPS,
    NAL_SPS,
    NAL_VPS,
    PpsInfo,
    ProfileTierLevel,
    SpsInfo,
    VpsInfo,
    parse_pps,
    parse_sps,
    parse_vps,
)
from segmenter.codecs.nal_units import (
    first_slice_type,
    join_length_prefixed,
    split_annex_b,
    split_length_prefixed,
)
from segmenter.errors import MediaError

__all__ = [
    "HevcConfig",
    "PpsInfo",
    "ProfileTierLevel",
    "SpsInfo",
    "VpsInfo",
    "access_unit",
    "decoder_configuration_from_nals",
    "is_sync",
    "join_length_prefixed",
    "parameter_sets",
    "parse_decoder_configuration",
    "parse_pps",
    "parse_sps",
    "parse_vps",
    "split_annex_b",
    "split_length_prefixed",
    "write_decoder_configuration",
]

NAL_AUD = 35

_SLICES = range(32)
_IRAP = range(16, 24)
_HEAD_BYTES = 23
_MAX_ARRAYS = 16
"""hvcC arrays: VPS, SPS, PPS, two kinds of SEI; the field would allow 255."""

_MAX_SETS = {NAL_VPS: 16, NAL_SPS: 16, NAL_PPS: 64}
"""As many as there are ids (H.265 7.4.3)."""

_ARRAY_COMPLETE = 0x80
_NOT_IN_SAMPLES = frozenset({NAL_VPS, NAL_SPS, NAL_PPS, NAL_AUD})


@dataclass(frozen=True, slots=True)
class HevcConfig:
    """HEVCDecoderConfigurationRecord; SEI that some writers put into it is dropped."""

    profile: ProfileTierLevel
    nal_length_bytes: int
    """1, 2 or 4: size of the length before each NAL unit of the publisher's samples."""
    vps: tuple[bytes, ...]
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]


def parse_decoder_configuration(config: bytes) -> HevcConfig:
    """Parse the content of hvcC, as FLV and MP4 carry it. Raises MediaError.

    configurationVersion 0 is accepted: drafts wrote it and some publishers still do.
    """
    if len(config) < _HEAD_BYTES or config[0] > 1:
        raise MediaError(f"not an HEVC configuration: {bytes(config[:8]).hex()}")
    nal_length_bytes = (config[21] & 3) + 1
    if nal_length_bytes == 3:
        raise MediaError("HEVC configuration with NAL unit lengths of 3 bytes")
    profile = ProfileTierLevel(
        profile_space=config[1] >> 6,
        high_tier=bool(config[1] & 0x20),
        profile_idc=config[1] & 0x1F,
        compatibility_flags=int.from_bytes(config[2:6], "big"),
        constraint_flags=int.from_bytes(config[6:12], "big"),
        level_idc=config[12],
    )
    vps, sps, pps = parameter_sets(_read_arrays(config))
    return HevcConfig(profile, nal_length_bytes, tuple(vps), tuple(sps), tuple(pps))


def _read_arrays(config: bytes) -> list[bytes]:
    if config[22] > _MAX_ARRAYS:
        raise MediaError(f"HEVC configuration with {config[22]} arrays")
    nals: list[bytes] = []
    position = _HEAD_BYTES
    for _ in range(config[22]):
        head = config[position : position + 3]
        position += 3
        for _ in range(int.from_bytes(head[1:], "big")):
            start = position + 2
            position = start + int.from_bytes(config[position:start], "big")
            if position > len(config) or position == start:
                raise MediaError("parameter set of HEVC configuration is empty or cut off")
            nal = bytes(config[start:position])
            if (nal[0] >> 1) & 0x3F != head[0] & 0x3F:
                raise MediaError(f"NAL unit {nal[:2].hex()} in array of type {head[0] & 0x3F}")
            nals.append(nal)
    if position > len(config):
        raise MediaError("HEVC configuration ends within an array")
    return nals


def write_decoder_configuration(
    vps_list: Sequence[bytes | memoryview],
    sps_list: Sequence[bytes | memoryview],
    pps_list: Sequence[bytes | memoryview],
) -> bytes:
    """The content of hvcC for samples with 4-byte lengths and all parameter sets in it (hvc1).

    Raises MediaError when a kind of parameter set is missing, too many, or broken.
    """
    arrays = ((NAL_VPS, vps_list), (NAL_SPS, sps_list), (NAL_PPS, pps_list))
    if any(not 0 < len(nals) <= _MAX_SETS[kind] for kind, nals in arrays):
        counts = ", ".join(str(len(nals)) for _, nals in arrays)
        raise MediaError(f"{counts} VPS, SPS and PPS do not make an hvcC")
    info = parse_sps(sps_list[0])
    pieces = [_write_head(info, _parallelism(info, pps_list)), bytes((len(arrays),))]
    for kind, nals in arrays:
        pieces.append(bytes((_ARRAY_COMPLETE | kind, 0, len(nals))))
        for nal in nals:
            if not 0 < len(nal) <= 0xFFFF:
                raise MediaError(f"parameter set of {len(nal)} bytes")
            pieces += (len(nal).to_bytes(2, "big"), bytes(nal))
    return b"".join(pieces)


def _write_head(info: SpsInfo, parallelism: int) -> bytes:
    profile = info.profile
    first = profile.profile_space << 6 | profile.high_tier << 5 | profile.profile_idc
    temporal = info.max_sub_layers << 3 | info.temporal_id_nesting << 2
    return b"".join(
        (
            bytes((1, first)),
            profile.compatibility_flags.to_bytes(4, "big"),
            profile.constraint_flags.to_bytes(6, "big"),
            bytes((profile.level_idc,)),
            (0xF000 | info.min_spatial_segmentation_idc).to_bytes(2, "big"),
            bytes((0xFC | parallelism, 0xFC | info.chroma_format_idc)),
            bytes((0xF8 | info.bit_depth_luma - 8, 0xF8 | info.bit_depth_chroma - 8)),
            bytes(2),  # avgFrameRate unspecified
            bytes((temporal | 3,)),  # constantFrameRate unknown, lengthSizeMinusOne
        )
    )


def _parallelism(info: SpsInfo, pps_list: Sequence[bytes | memoryview]) -> int:
    """parallelismType: 0 mixed or unknown, 1 slices, 2 tiles, 3 wavefronts."""
    if not info.min_spatial_segmentation_idc:
        return 0  # without a promised segment size the kind of segment promises nothing
    kinds = set()
    for pps in map(parse_pps, pps_list):
        both = pps.tiles and pps.wavefronts
        kinds.add(0 if both else 3 if pps.wavefronts else 2 if pps.tiles else 1)
    return kinds.pop() if len(kinds) == 1 else 0


def parameter_sets(
    nals: Sequence[bytes | memoryview],
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The VPS, the SPS and the PPS among ``nals``, each once, in order; empty lists when none."""
    found: dict[int, dict[bytes, None]] = {NAL_VPS: {}, NAL_SPS: {}, NAL_PPS: {}}
    for nal in nals:
        sets = found.get((nal[0] >> 1) & 0x3F) if nal else None
        if sets is not None:
            sets[bytes(nal)] = None
    return list(found[NAL_VPS]), list(found[NAL_SPS]), list(found[NAL_PPS])


def decoder_configuration_from_nals(nals: Sequence[bytes | memoryview]) -> bytes:
    """hvcC from the parameter sets among ``nals``: an encoder's extradata or first access unit.

    Raises MediaError when a kind of parameter set is missing.
    """
    return write_decoder_configuration(*parameter_sets(nals))


def access_unit(nals: Sequence[bytes | memoryview]) -> bytes:
    """The canonical sample: ``nals`` without parameter sets and delimiters, length-prefixed."""
    return join_length_prefixed(
        nal for nal in nals if nal and (nal[0] >> 1) & 0x3F not in _NOT_IN_SAMPLES
    )


def is_sync(data: bytes) -> bool:
    """Whether a canonical sample is an IRAP picture (IDR, CRA or BLA).

    Raises MediaError on broken lengths.
    """
    return first_slice_type(data, 1, 0x3F, _SLICES) in _IRAP
