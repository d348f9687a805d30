"""A presentation as an HLS multivariant playlist (RFC 8216bis 4.4.6).

The variant that is listed first is where players start: hls.js takes its bit rate, up to 5 Mb/s,
for its first estimate of the network, and AVPlayer plays it until it has measured. So first comes
the best one of at most START_BANDWIDTH, then the others from the best down.

Audio renditions of one codec form a group; where there are several codecs every variant is listed
once for each of them (RFC 8216bis 4.4.6.2.1: CODECS must hold for whatever is chosen of a group).

CODECS names every format that is listed, the newest first, which some players go by alone
(`segmenter.listed_formats` has how long they are).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segmenter.codecs.pixels import video_range
from segmenter.errors import UsageError
from segmenter.media import Codec, MediaType
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition

START_BANDWIDTH = 3_000_000
"""Bits per second. Apple's authoring specification starts Wi-Fi viewers near 2 Mb/s; a 720p rung
is up to 3, and what most viewers can play without a stall."""

GROUPS_VERSION = 4
"""With audio groups; without them a playlist is of version 1, which is not said."""

_AUDIO_ORDER = (Codec.AAC, Codec.OPUS)
"""What every player decodes comes first."""


@dataclass(frozen=True, slots=True)
class _AudioGroup:
    """Audio renditions of one codec, of which a player plays one."""

    name: str
    members: tuple[Rendition, ...]

    @property
    def codecs(self) -> list[str]:
        listed = [codecs for member in self.members for codecs in member.listed_codecs]
        return list(dict.fromkeys(listed))

    @property
    def peak(self) -> int:
        return max(member.bitrates().peak for member in self.members)

    @property
    def average(self) -> int:
        return max(member.bitrates().average for member in self.members)


class MultivariantPlaylist:
    """Owns the multivariant playlist of one presentation; its origin renders it after changes.

    Next to nothing of what changes a presentation shows here: what does is looked at first.
    """

    def __init__(self, presentation: Presentation) -> None:
        self._presentation = presentation
        self._shown: tuple[object, ...] = ()
        self._text = ""

    def render(self) -> str:
        """See `render_multivariant_playlist`; the same object for as long as nothing changes."""
        presentation = self._presentation
        renditions = presentation.renditions.values()
        shown = (presentation.is_independent, *[_shown(each) for each in renditions])
        if shown != self._shown:
            text = render_multivariant_playlist(presentation)
            self._shown = shown
            self._text = text if text != self._text else self._text
        return self._text


def _shown(rendition: Rendition) -> tuple[object, ...]:
    track = rendition.track
    return (
        rendition.is_playable,
        rendition.is_offered,
        rendition.listed_codecs,
        rendition.bitrates(),
        track,
        "" if track.frame_rate else f"{rendition.frame_rate():.3f}",
    )


def render_multivariant_playlist(presentation: Presentation) -> str:
    """The playlist of all renditions with media; URIs are ``<rendition>/index.m3u8``.

    Bandwidths are measured. A rendition of which nothing (but gaps) is listed is left out, and so
    is one of which nothing else is to come; its playlist goes on for those who are on it.
    Raises UsageError when none has media.
    """
    listed = [rendition for rendition in presentation.renditions.values() if rendition.is_playable]
    listed = [rendition for rendition in listed if rendition.is_offered] or listed
    if not listed:
        raise UsageError("no rendition has media yet")
    video = [rendition for rendition in listed if rendition.track.media_type is MediaType.VIDEO]
    groups = _audio_groups(listed)
    lines = ["#EXTM3U"]
    if (video and groups) or any(len(group.members) > 1 for group in groups):
        lines.append(f"#EXT-X-VERSION:{GROUPS_VERSION}")
    if presentation.is_independent:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    if video:
        for group in groups:
            lines += _media_tags(group)
        choices: list[_AudioGroup | None] = [*groups] or [None]
        for rendition in _in_starting_order(video):
            for audio in choices:
                lines += _video_variant(rendition, audio)
    else:
        for group in groups:
            lines += _audio_variant(group)
    lines.append("")
    return "\n".join(lines)


def _audio_groups(listed: Sequence[Rendition]) -> list[_AudioGroup]:
    groups = []
    for codec in _AUDIO_ORDER:
        members = tuple(rendition for rendition in listed if rendition.track.codec is codec)
        if members:
            groups.append(_AudioGroup(codec.value, members))
    return groups


def _in_starting_order(video: Sequence[Rendition]) -> list[Rendition]:
    """The one to start with, then from the best down."""
    falling = sorted(video, key=lambda rendition: rendition.bitrates().average, reverse=True)
    modest = [r for r in falling if r.bitrates().average <= START_BANDWIDTH]
    first = modest[0] if modest else falling[-1]
    return [first, *(rendition for rendition in falling if rendition is not first)]


def _media_tags(group: _AudioGroup) -> Iterator[str]:
    names: set[str] = set()
    languages: set[str] = set()
    for index, rendition in enumerate(group.members):
        track = rendition.track
        # The same name in every group for the same content (4.4.6.1.1): `audio_aac` is `audio`.
        name = rendition.name.partition("_")[0]
        if name in names:
            name = rendition.name
        attributes = [f'TYPE=AUDIO,GROUP-ID="{group.name}",NAME="{name}"']
        if track.language:
            attributes.append(f'LANGUAGE="{track.language}"')
        attributes.append(f"DEFAULT={_yes(index == 0)}")
        # Players choose by language among those; of equal ones only the first can be meant.
        attributes.append(f"AUTOSELECT={_yes(track.language not in languages)}")
        if track.channels:
            attributes.append(f'CHANNELS="{track.channels}"')
        attributes.append(f'URI="{_uri(rendition)}"')
        names.add(name)
        languages.add(track.language)
        yield f"#EXT-X-MEDIA:{','.join(attributes)}"


def _video_variant(rendition: Rendition, audio: _AudioGroup | None) -> Iterator[str]:
    bitrates = rendition.bitrates()
    peak, average = bitrates.peak, bitrates.average
    codecs = rendition.listed_codecs
    if audio is not None:
        peak += audio.peak
        average += audio.average
        codecs += audio.codecs
    attributes = [f"BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}", f'CODECS="{",".join(codecs)}"']
    track = rendition.track
    if track.width and track.height:
        attributes.append(f"RESOLUTION={track.width}x{track.height}")
    if frame_rate := rendition.frame_rate():
        attributes.append(f"FRAME-RATE={frame_rate:.3f}")
    if (dynamics := video_range(track.codec, track.codec_config)) != "SDR":
        attributes.append(f"VIDEO-RANGE={dynamics}")  # none means SDR
    if audio is not None:
        attributes.append(f'AUDIO="{audio.name}"')
    yield f"#EXT-X-STREAM-INF:{','.join(attributes)}"
    yield _uri(rendition)


def _audio_variant(group: _AudioGroup) -> Iterator[str]:
    """Audio alone: the first of the group is the variant's own playlist."""
    attributes = [
        f"BANDWIDTH={group.peak},AVERAGE-BANDWIDTH={group.average}",
        f'CODECS="{",".join(group.codecs)}"',
    ]
    if len(group.members) > 1:
        yield from _media_tags(group)
        attributes.append(f'AUDIO="{group.name}"')
    yield f"#EXT-X-STREAM-INF:{','.join(attributes)}"
    yield _uri(group.members[0])


def _uri(rendition: Rendition) -> str:
    return f"{rendition.name}/index.m3u8"


def _yes(condition: bool) -> str:
    return "YES" if condition else "NO"
