"""AAC: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and ADTS (1.A.3.2).

Canonical samples are raw data blocks; ADTS headers are stripped on entry. All functions take a
peer's bytes and raise MediaError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.codecs.bitstream import BitReader
from segmenter.errors import MediaError

SAMPLING_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Table 1.18, Hz by samplingFrequencyIndex."""

MAX_SAMPLE_RATE = 192_000
"""Hz. AAC levels end at 96 kHz; twice that is what a sample entry could still be asked for."""

OBJECT_LC = 2
OBJECT_SBR = 5
OBJECT_PS = 29

_ESCAPE_RATE_INDEX = 15
_ESCAPE_OBJECT = 31
_SYNC_SBR = 0x2B7
_SYNC_PS = 0x548

_GENERAL_AUDIO = frozenset({1, 2, 3, 4})
"""Main, LC, SSR, LTP: what ADTS can carry. The others come from no live encoder we know."""

_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 13: 24, 14: 8}
"""Table 1.19, channels by channelConfiguration; 0 means a program config element follows."""

_CONFIGURATION_OF_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 7, 24: 13}


@dataclass(frozen=True, slots=True)
class AacConfig:
    """What an AudioSpecificConfig says about the decoder's output.

    With SBR the output has twice the core's rate and a frame twice its samples; with parametric
    stereo a mono core gives two channels.
    """

    object_type: int
    """2 LC, 5 HE-AAC (SBR), 29 HE-AAC v2 (SBR and PS), however it was signalled."""
    sample_rate: int
    channels: int
    samples_per_frame: int
    """At ``sample_rate``: 1024 or 960, twice that with SBR."""
    core_object_type: int
    core_sample_rate: int


def parse_audio_specific_config(asc: bytes) -> AacConfig:
    """Parse an AudioSpecificConfig, both kinds of SBR and PS signalling included.

    Raises MediaError, also for object types other than Main, LC, SSR and LTP below SBR and PS.
    """
    reader = BitReader(asc)
    signalled = core = _read_object_type(reader)
    sample_rate = core_rate = _read_sample_rate(reader)
    configuration = reader.read_bits(4)
    if signalled in (OBJECT_SBR, OBJECT_PS):
        sample_rate = _read_sample_rate(reader)
        core = _read_object_type(reader)
    if core not in _GENERAL_AUDIO:
        raise MediaError(f"AAC audio object type {core} is not supported")
    frame_samples, channels = _read_general_audio(reader, configuration)
    if signalled == core:
        signalled, sample_rate = _read_sync_extension(reader, core, core_rate)
    if signalled in (OBJECT_SBR, OBJECT_PS):
        frame_samples *= 2
    if signalled == OBJECT_PS and channels == 1:
        channels = 2
    return AacConfig(signalled, sample_rate, channels, frame_samples, core, core_rate)


def _read_object_type(reader: BitReader) -> int:
    object_type = reader.read_bits(5)
    return 32 + reader.read_bits(6) if object_type == _ESCAPE_OBJECT else object_type


def _read_sample_rate(reader: BitReader) -> int:
    index = reader.read_bits(4)
    if index == _ESCAPE_RATE_INDEX:
        rate = reader.read_bits(24)
        if not 0 < rate <= MAX_SAMPLE_RATE:
            raise MediaError(f"AAC sampling rate of {rate} Hz")
        return rate
    return _rate_of_index(index)


def _rate_of_index(index: int) -> int:
    if index >= len(SAMPLING_RATES):
        raise MediaError(f"AAC sampling frequency index {index}")
    return SAMPLING_RATES[index]


def _read_general_audio(reader: BitReader, configuration: int) -> tuple[int, int]:
    """GASpecificConfig (4.4.1): samples of a core frame, channels of the core."""
    frame_samples = 960 if reader.read_flag() else 1024
    if reader.read_flag():
        reader.skip_bits(14)  # coreCoderDelay
    reader.skip_bits(1)  # extensionFlag, without content for these object types
    if configuration == 0:
        return frame_samples, _read_program_config(reader)
    if configuration not in _CHANNELS:
        raise MediaError(f"AAC channel configuration {configuration}")
    return frame_samples, _CHANNELS[configuration]


def _read_program_config(reader: BitReader) -> int:
    """program_config_element (4.4.1.1): how many channels it lists."""
    reader.skip_bits(10)  # element_instance_tag, object_type, sampling_frequency_index
    front, side, back = (reader.read_bits(4) for _ in range(3))
    low_frequency, associated, coupling = (reader.read_bits(bits) for bits in (2, 3, 4))
    for bits in (4, 4, 3):  # mono, stereo and matrix mix-down
        if reader.read_flag():
            reader.skip_bits(bits)
    channels = low_frequency
    for _ in range(front + side + back):
        channels += 2 if reader.read_flag() else 1
        reader.skip_bits(4)
    reader.skip_bits(4 * low_frequency + 4 * associated + 5 * coupling)
    reader.align()
    reader.skip_bits(8 * reader.read_bits(8))  # comment
    if channels == 0:
        raise MediaError("AAC program config element without channels")
    return channels


def _read_sync_extension(reader: BitReader, core: int, core_rate: int) -> tuple[int, int]:
    """Backward-compatible signalling (1.6.5.2): object type and sampling rate of the output."""
    if reader.bits_left < 16 or reader.read_bits(11) != _SYNC_SBR:
        return core, core_rate
    if _read_object_type(reader) != OBJECT_SBR or not reader.read_flag():
        return core, core_rate
    sample_rate = _read_sample_rate(reader)
    if reader.bits_left >= 12 and reader.read_bits(11) == _SYNC_PS and reader.read_flag():
        return OBJECT_PS, sample_rate
    return OBJECT_SBR, sample_rate


def write_audio_specific_config(
    sample_rate: int, channels: int, object_type: int = OBJECT_LC
) -> bytes:
    """An AudioSpecificConfig for frames of 1024 core samples.

    ``sample_rate`` and ``channels`` are the output's; for object types 5 and 29 the signalling
    is hierarchical over an LC core of half the rate. Raises MediaError for channel counts
    without a configuration of their own and rates that cannot be.
    """
    if not 0 < sample_rate <= MAX_SAMPLE_RATE or channels not in _CONFIGURATION_OF_CHANNELS:
        raise MediaError(f"AAC cannot say {channels} channels at {sample_rate} Hz")
    configuration = _CONFIGURATION_OF_CHANNELS[channels]
    if object_type in _GENERAL_AUDIO:
        fields = [(object_type, 5), *_rate_fields(sample_rate), (configuration, 4)]
    elif object_type in (OBJECT_SBR, OBJECT_PS):
        core_configuration = 1 if object_type == OBJECT_PS else configuration
        fields = [(object_type, 5), *_rate_fields(sample_rate // 2), (core_configuration, 4)]
        fields += [*_rate_fields(sample_rate), (OBJECT_LC, 5)]
    else:
        raise MediaError(f"AAC audio object type {object_type} is not supported")
    return _pack([*fields, (0, 3)])


def _rate_fields(sample_rate: int) -> list[tuple[int, int]]:
    if sample_rate in SAMPLING_RATES:
        return [(SAMPLING_RATES.index(sample_rate), 4)]
    return [(_ESCAPE_RATE_INDEX, 4), (sample_rate, 24)]


def _pack(fields: list[tuple[int, int]]) -> bytes:
    value = bits = 0
    for number, width in fields:
        value = value << width | number
        bits += width
    padding = -bits % 8
    return (value << padding).to_bytes((bits + padding) // 8, "big")
