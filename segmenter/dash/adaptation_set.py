"""Renditions of one period, grouped by what a player may switch between (ISO/IEC 23009-1 5.3.3).

Video renditions of one codec are one set; each audio rendition is a set of its own. Ids depend
on codec and position alone, and sets and representations stand in the order of their ids, so
that nothing that a player knows is ever renamed or moved by an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.pixels import pixels_of, video_range
from segmenter.dash.xml_text import Attributes, element, empty_element
from segmenter.media import Codec, MediaType, Track
from segmenter.rendition import Rendition
from segmenter.segment import InitSection
from segmenter.timed_message import SCHEMES

ROLE_SCHEME = "urn:mpeg:dash:role:2011"
CICP = "urn:mpeg:mpegB:cicp:"
"""Code points of ISO/IEC 23091."""
CHANNELS_SCHEME = CICP + "ChannelConfiguration"

_VIDEO_SET_IDS = {Codec.H264: 1, Codec.H265: 2, Codec.AV1: 3, Codec.VP9: 4}
_FIRST_AUDIO_SET_ID = 100

_CHANNEL_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 12}
"""ISO/IEC 23091-3: the usual layout for each number of channels."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one period says of one rendition."""

    rendition: Rendition
    init: InitSection
    """Of all its segments in the period."""
    is_independent: bool
    """Whether each segment begins with a sync sample."""
    addressing: Sequence[str]
    """The lines that say which segments there are, with what stands before them."""
    shared_addressing: Sequence[str] = ()
    """What of that is the same for all of its set, which says it once, too."""


def adaptation_sets(listings: Sequence[Listing]) -> list[str]:
    """The AdaptationSet elements of one period as lines."""
    sets: dict[int, list[Listing]] = {}
    for listing in listings:
        sets.setdefault(_set_id(listing), []).append(listing)
    lines: list[str] = []
    has_audio = False
    for set_id, members in sorted(sets.items()):
        if members[0].init.track.media_type is MediaType.VIDEO:
            lines += _video_set(set_id, members)
        else:
            lines += _audio_set(set_id, members[0], is_main=not has_audio)
            has_audio = True
    return lines


def _set_id(listing: Listing) -> int:
    codec = listing.init.track.codec
    return _VIDEO_SET_IDS.get(codec) or _FIRST_AUDIO_SET_ID + listing.rendition.position


def _video_set(set_id: int, listings: Sequence[Listing]) -> list[str]:
    tracks = [listing.init.track for listing in listings]
    rates = [track.frame_rate for track in tracks]
    attributes: Attributes = {
        "id": set_id,
        "contentType": "video",
        "mimeType": "video/mp4",
        "maxWidth": max(track.width for track in tracks),
        "maxHeight": max(track.height for track in tracks),
        "maxFrameRate": _frame_rate(max(rates)) if all(rates) else None,
        "segmentAlignment": "true",
        "startWithSAP": 1 if all(listing.is_independent for listing in listings) else None,
    }
    content = [*_event_streams(), _role("main"), *listings[0].shared_addressing]
    for listing in listings:
        track = listing.init.track
        own: Attributes = {
            "width": track.width,
            "height": track.height,
            "sar": _sample_aspect_ratio(track),
            "frameRate": _frame_rate(track.frame_rate),
        }
        content += _representation(listing, own, _dynamics(track))
    return element("AdaptationSet", attributes, content)


def _audio_set(set_id: int, listing: Listing, *, is_main: bool) -> list[str]:
    track = listing.init.track
    attributes: Attributes = {
        "id": set_id,
        "contentType": "audio",
        "mimeType": "audio/mp4",
        "lang": track.language or None,
        "segmentAlignment": "true",
        "startWithSAP": 1,
    }
    configuration = _CHANNEL_CONFIGURATIONS.get(track.channels)
    inside = []
    if configuration:
        named: Attributes = {"schemeIdUri": CHANNELS_SCHEME, "value": configuration}
        inside.append(empty_element("AudioChannelConfiguration", named))
    own: Attributes = {"audioSamplingRate": track.sample_rate or None}
    content = [
        *_event_streams(),
        _role("main" if is_main else "alternate"),
        *listing.shared_addressing,
        *_representation(listing, own, inside),
    ]
    return element("AdaptationSet", attributes, content)


def _event_streams() -> list[str]:
    """Which emsg boxes players are to look for, also before there is the first: what a period has
    told never changes."""
    return [
        empty_element("InbandEventStream", {"schemeIdUri": scheme}) for scheme in SCHEMES.values()
    ]


def _role(value: str) -> str:
    return empty_element("Role", {"schemeIdUri": ROLE_SCHEME, "value": value})


def _representation(listing: Listing, own: Attributes, inside: list[str]) -> list[str]:
    attributes: Attributes = {
        "id": listing.rendition.name,
        "codecs": listing.init.codecs,
        "bandwidth": listing.rendition.bitrates().peak,
        **own,
    }
    return element("Representation", attributes, [*inside, *listing.addressing])


def _frame_rate(rate: Fraction) -> str | None:
    return str(rate) if rate else None


def _sample_aspect_ratio(track: Track) -> str | None:
    """Width to height of a sample as the codec configuration says it, if it does."""
    ratio = pixels_of(track.codec, track.codec_config).sample_aspect_ratio
    return f"{ratio.numerator}:{ratio.denominator}" if ratio else None


def _dynamics(track: Track) -> list[str]:
    """Of high dynamic range its colours; of all else players take what they take for granted."""
    if video_range(track.codec, track.codec_config) == "SDR":
        return []
    colour = pixels_of(track.codec, track.codec_config).colour
    named = {
        "ColourPrimaries": colour.primaries,
        "TransferCharacteristics": colour.transfer,
        "MatrixCoefficients": colour.matrix,
    }
    return [
        empty_element("SupplementalProperty", {"schemeIdUri": CICP + name, "value": value})
        for name, value in named.items()
    ]
