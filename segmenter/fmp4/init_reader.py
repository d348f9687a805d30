"""Init sections of any writer back into tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from segmenter.errors import MediaError
from segmenter.media import Codec, MediaType, Track

from .box_tree import Box, first_record, read_boxes, records, required_record
from .header_records import (
    AudioSampleEntry,
    BitRate,
    CodecConfiguration,
    EditList,
    ElementaryStream,
    ExtendedLanguage,
    MediaHeader,
    MovieHeader,
    TrackExtends,
    TrackHeader,
    VisualSampleEntry,
)
from .language import bcp_47
from .sample_entry import vp9_configuration_record

_CODECS = {
    "avc1": Codec.H264,
    "avc3": Codec.H264,
    "hvc1": Codec.H265,
    "hev1": Codec.H265,
    "av01": Codec.AV1,
    "vp09": Codec.VP9,
    "mp4a": Codec.AAC,
    "Opus": Codec.OPUS,
}
# Where a configuration record says how long the length before each NAL unit is.
_NAL_LENGTH_AT = {Codec.H264: 4, Codec.H265: 21}
_OBJECT_TYPES_AAC = (0x40, 0x66, 0x67, 0x68)
"""MPEG-4 audio and the profiles of MPEG-2 AAC (MP4RA object types)."""

NO_DEFAULTS: Final = TrackExtends(0, 1, 0, 0, 0)
"""What holds when no trex was seen."""


@dataclass(frozen=True, slots=True)
class InitTrack:
    """A track of an init section, with what its fragments need to be read."""

    track: Track
    track_id: int
    defaults: TrackExtends
    edit_shift: int = 0
    """Ticks to add to decode times, as the edit list says."""
    nal_length_bytes: int = 4
    """How the fragments prefix NAL units; the track's configuration already says 4."""


def read_init_section(data: bytes) -> Track:
    """The only track that we can package in an init section.

    It is named ``source`` (video) or ``audio``; the frame rate stays unknown. Raises MediaError
    when there is no such track or more than one: read_init_tracks reads those.
    """
    tracks = read_init_tracks(data)
    if len(tracks) > 1:
        raise MediaError(f"init section holds {len(tracks)} tracks; one was due")
    return tracks[0].track


def read_init_tracks(data: bytes) -> list[InitTrack]:
    """All tracks that we can package, in file order; raises MediaError when there is none."""
    boxes = read_boxes(data)
    moov = next((box for box in boxes if box.name == "moov"), None)
    if moov is None:
        raise MediaError("no moov box in the init section")
    defaults = {record.track_id: record for record in records(moov.children, TrackExtends)}
    tracks = [_read_track(moov, trak, defaults) for trak in moov.children_named("trak")]
    usable = [track for track in tracks if track is not None]
    if not usable:
        raise MediaError("no track in the init section that can be packaged")
    return usable


def _read_track(moov: Box, trak: Box, defaults: dict[int, TrackExtends]) -> InitTrack | None:
    """One trak; None when we cannot package its codec (or there is no sample entry)."""
    stsd = next(_boxes_named((trak,), "stsd"), None)
    entry = stsd.children[0] if stsd and stsd.children else None
    codec = _CODECS.get(entry.name) if entry else None
    if entry is None or codec is None:
        return None
    header, media = required_record(trak, TrackHeader), required_record(trak, MediaHeader)
    if media.timescale == 0:
        raise MediaError(f"track {header.track_id} has timescale 0")
    config, nal_length_bytes = _canonical_config(codec, entry)
    language = first_record(trak, ExtendedLanguage)
    picture, sound = _picture(entry), _sound(entry, media)
    track = Track(
        "source" if codec.media_type is MediaType.VIDEO else "audio",
        codec,
        media.timescale,
        config,
        width=picture.width,
        height=picture.height,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bitrate=_bitrate(entry),
        language=language.language if language else bcp_47(media.language),
    )
    return InitTrack(
        track,
        header.track_id,
        defaults.get(header.track_id, NO_DEFAULTS),
        _edit_shift(moov, trak, media),
        nal_length_bytes,
    )


def _picture(entry: Box) -> VisualSampleEntry:
    return entry.record if isinstance(entry.record, VisualSampleEntry) else VisualSampleEntry(0, 0)


def _sound(entry: Box, media: MediaHeader) -> AudioSampleEntry:
    sound = entry.record
    if not isinstance(sound, AudioSampleEntry):
        return AudioSampleEntry(0, 0)
    # A rate that 16.16 cannot hold is written as 0; the timescale is then the rate.
    return AudioSampleEntry(sound.channels, sound.sample_rate or media.timescale)


def _canonical_config(codec: Codec, entry: Box) -> tuple[bytes, int]:
    """codec_config as media.Track wants it, and the length before each NAL unit."""
    if codec is Codec.AAC:
        stream = required_record(entry, ElementaryStream)
        if stream.object_type not in _OBJECT_TYPES_AAC or not stream.specific_config:
            raise MediaError(f"mp4a with object type {stream.object_type:#x} is not AAC")
        return stream.specific_config, 4
    config = required_record(entry, CodecConfiguration).content
    if codec is Codec.VP9:
        return vp9_configuration_record(config), 4
    at = _NAL_LENGTH_AT.get(codec)
    if at is None:
        return config, 4
    if len(config) <= at:
        raise MediaError(f"{codec.value} configuration of {len(config)} bytes is too short")
    return config[:at] + bytes((config[at] | 3,)) + config[at + 1 :], (config[at] & 3) + 1


def _bitrate(entry: Box) -> int:
    """Average bits per second from btrt or esds; 0 when neither says it."""
    rate, stream = first_record(entry, BitRate), first_record(entry, ElementaryStream)
    return (rate.average if rate else 0) or (stream.average_bitrate if stream else 0)


def _edit_shift(moov: Box, trak: Box, media: MediaHeader) -> int:
    """Ticks by which the edit list moves the track: empty edits delay, the first edit cuts.

    Writers that cannot write negative composition offsets hide the delay of B-frames there.
    """
    edits = first_record(trak, EditList)
    movie = first_record(moov, MovieHeader)
    shift = 0
    for duration, media_time in edits.edits if edits else ():
        if media_time >= 0:
            return shift - media_time
        if movie and movie.timescale:
            shift += duration * media.timescale // movie.timescale
    return shift


def _boxes_named(boxes: Sequence[Box], name: str) -> Iterator[Box]:
    for box in boxes:
        if box.name == name:
            yield box
        yield from _boxes_named(box.children, name)
