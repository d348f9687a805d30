"""What a multivariant playlist says of its variants, held against their downloaded media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import MediaError
from segmenter.media import MediaType, Track
from streaming.inspect.media import RenditionMedia
from streaming.inspect.multivariant_rules import Variant
from streaming.inspect.playlist import Playlist
from streaming.inspect.report import Node, Report

PEAK_SLACK = 1.1
"""Apple's authoring rules leave a tenth between BANDWIDTH and what is measured."""


@dataclass(slots=True)
class Rendition:
    """One media playlist, as last seen."""

    url: str
    node: Node
    playlist: Playlist
    media: RenditionMedia
    grew_at: float
    """When its last segment was first seen."""


def describe_variant(variant: Variant) -> str:
    """Size, codecs and rate."""
    attributes = variant.attributes
    rate = f"{variant.rate('BANDWIDTH') / 1e6:.2f} Mb/s"
    pieces = [attributes.get("RESOLUTION", ""), attributes.get("CODECS", ""), rate]
    return " ".join(piece for piece in pieces if piece)


def check_variant(
    report: Report,
    variant: Variant,
    media: Sequence[Mapping[str, str]],
    renditions: Mapping[str, Rendition],
) -> None:
    """H28 and H32 of one variant; ``media`` are all EXT-X-MEDIA, ``renditions`` are by URI."""
    own = renditions.get(variant.uri)
    if own is None:
        return
    where = f"variant {variant.uri}"
    group = variant.attributes.get("AUDIO")
    uris = [m.get("URI", "") for m in media if group and m.get("GROUP-ID") == group]
    members = [renditions[uri] for uri in dict.fromkeys(uris) if uri in renditions]
    others = [rendition for rendition in members if rendition is not own]
    for rendition in (own, *others):
        _check_codecs(report, where, variant, rendition)
    track = own.media.track
    if track and track.media_type is MediaType.VIDEO:
        _check_resolution(report, where, variant, track)
    _check_bandwidth(report, where, variant, own, others)


def _check_bandwidth(
    report: Report, where: str, variant: Variant, own: Rendition, others: Sequence[Rendition]
) -> None:
    rates = [r.media.peak_rate(r.playlist.target_duration) for r in others]
    measured = own.media.peak_rate(own.playlist.target_duration) + max(rates, default=0)
    said = variant.rate("BANDWIDTH")
    if said and measured > said:
        say = report.error if measured > PEAK_SLACK * said else report.warn
        say("H28", where, f"BANDWIDTH {said}, measured {measured}")


def _check_codecs(report: Report, where: str, variant: Variant, rendition: Rendition) -> None:
    track = rendition.media.track
    if track is None or not variant.codecs:
        return
    try:
        codecs = codec_string(track)
    except MediaError:
        return  # the init section was found broken already
    if codecs.lower() not in (codec.lower() for codec in variant.codecs):
        said = ",".join(variant.codecs)
        text = f"CODECS {said!r}, the init section of {rendition.media.name} says {codecs!r}"
        report.error("H28", where, text)


def _check_resolution(report: Report, where: str, variant: Variant, track: Track) -> None:
    said = variant.attributes.get("RESOLUTION", "")
    if said and said != f"{track.width}x{track.height}":
        text = f"RESOLUTION {said}, the init section says {track.width}x{track.height}"
        report.error("H32", where, text)
