"""Makes a Track of a codec configuration: size, rate and channels read from the bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from segmenter.codecs import av1, h264, h265, opus, vp9
from segmenter.codecs.aac import parse_audio_specific_config
from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Track


def describe_track(
    name: str,
    codec: Codec,
    codec_config: bytes,
    *,
    width: int = 0,
    height: int = 0,
    frame_rate: Fraction = Fraction(0),
    bitrate: int = 0,
    language: str = "",
) -> Track:
    """A Track whose fields come from ``codec_config``, in the timescale of the house.

    ``codec_config`` is as in Track. Size and frame rate given here (a publisher's metadata) fill
    in only what the configuration does not say: VP9 never says them, AV1 may not. Raises
    MediaError when the configuration is broken or lacks what an init section needs.
    """
    if codec.media_type is MediaType.AUDIO:
        rate, channels = _read_audio(codec, codec_config)
        track = Track(name, codec, rate, codec_config, sample_rate=rate, channels=channels)
        return replace(track, bitrate=bitrate, language=language)
    picture = _read_picture(codec, codec_config) or (width, height, frame_rate)
    if not picture[0] or not picture[1]:
        raise MediaError(f"the {codec.value} configuration of {name!r} does not say its size")
    return Track(
        name,
        codec,
        VIDEO_TIMESCALE,
        codec_config,
        width=picture[0],
        height=picture[1],
        frame_rate=picture[2] or frame_rate,
        bitrate=bitrate,
        language=language,
    )


def _read_audio(codec: Codec, config: bytes) -> tuple[int, int]:
    """Sampling rate and channels."""
    if codec is Codec.OPUS:
        return opus.SAMPLE_RATE, opus.parse_dops(config).channels
    aac = parse_audio_specific_config(config)
    return aac.sample_rate, aac.channels


def _read_picture(codec: Codec, config: bytes) -> tuple[int, int, Fraction] | None:
    """Width, height and frame rate (0 when unknown); None when the size is not there."""
    match codec:
        case Codec.H264:
            avc = h264.parse_decoder_configuration(config)
            if not avc.sps or not avc.pps:
                raise MediaError("AVC configuration without parameter sets")
            sps = h264.parse_sps(avc.sps[0])
            return sps.width, sps.height, sps.frame_rate
        case Codec.H265:
            return _read_hevc_picture(h265.parse_decoder_configuration(config))
        case Codec.AV1:
            header = av1.parse_decoder_configuration(config).sequence_header
            return (header.width, header.height, header.frame_rate) if header else None
        case _:
            vp9.parse_decoder_configuration(config)
            return None


def _read_hevc_picture(hevc: h265.HevcConfig) -> tuple[int, int, Fraction]:
    if not hevc.vps or not hevc.sps or not hevc.pps:
        raise MediaError("HEVC configuration without parameter sets")
    sps = h265.parse_sps(hevc.sps[0])
    # A VPS may be odd where decoders do not look: it is asked only when the SPS does not know.
    rate = sps.frame_rate or h265.parse_vps(hevc.vps[0]).frame_rate
    return sps.width, sps.height, rate
