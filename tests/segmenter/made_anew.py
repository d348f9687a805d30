"""Texts made from nothing: what those that are rendered again and again must equal."""

from __future__ import annotations

from segmenter.dash.mpd import Mpd
from segmenter.hls.media_playlist import MediaPlaylist
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition


def render_mpd(presentation: Presentation, publish_utc: float, utc_timing_url: str) -> str:
    """The manifest as of now."""
    return Mpd(presentation, utc_timing_url).render(publish_utc)


def render_media_playlist(rendition: Rendition) -> str:
    """The whole playlist without parts; UsageError before the first segment."""
    playlist = MediaPlaylist(rendition)
    playlist.update()
    return playlist.render().full.decode()
