"""All media playlists of a presentation, which have to say things about each other."""

from __future__ import annotations

from collections.abc import Iterable

from segmenter.hls.media_playlist import MediaPlaylist
from segmenter.hls.rendered_playlist import RenderedPlaylist
from segmenter.hls.server_control import ServerControl
from segmenter.part_target import longest_part_target_ms
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition


class LivePlaylists:
    """Owns the words of all media playlists of one presentation; its origin calls ``render``.

    With ``low_latency`` playlists have parts, begin with a rendition's first part (if the target
    duration is decided by then, see `PresentationSettings.target_duration`), and change with each;
    without, they list finished segments.
    """

    def __init__(self, presentation: Presentation, *, low_latency: bool) -> None:
        self._presentation = presentation
        self._low_latency = low_latency and presentation.settings.part_duration_s > 0
        self._control: ServerControl | None = None
        self._playlists: dict[str, tuple[Rendition, MediaPlaylist]] = {}
        self._begun: set[str] = set()

    def render(self, changed: Iterable[str]) -> dict[str, RenderedPlaylist]:
        """The playlists of these renditions, after all that one push or timer has changed.

        One call for all of them: what playlists report about each other is then of the same
        moment. Renditions of which nothing can be listed yet are left out, those that could not
        be listed before are added: what lets one begin may be the change of another.
        """
        listable = self._update()
        wanted = {*changed, *(listable.keys() - self._begun)}
        self._begun = set(listable)
        names = sorted(wanted & listable.keys())
        if not self._low_latency:
            return {name: listable[name].render() for name in names}
        reports = {name: playlist.report for name, playlist in listable.items()}
        return {
            name: listable[name].render(
                "".join([report for other, report in reports.items() if other != name])
            )
            for name in names
        }

    def _update(self) -> dict[str, MediaPlaylist]:
        """Bring all playlists up to date, also those that are only reported about."""
        renditions = self._presentation.renditions
        if any(self._is_of_former_life(name) for name in self._playlists):
            self._playlists = {}
            self._begun = set()
            self._control = None
        listable = {}
        for name, rendition in renditions.items():
            playlist = self._playlist(rendition)
            if playlist is not None and playlist.is_listable:
                playlist.update()
                listable[name] = playlist
        return listable

    def _is_of_former_life(self, name: str) -> bool:
        return self._presentation.renditions.get(name) is not self._playlists[name][0]

    def _playlist(self, rendition: Rendition) -> MediaPlaylist | None:
        known = self._playlists.get(rendition.name)
        if known is not None:
            return known[1]
        if self._low_latency and self._control is None:
            self._control = self._decide_control()
            if self._control is None:
                return None
        playlist = MediaPlaylist(rendition, self._control, self._presentation.messages)
        self._playlists[rendition.name] = rendition, playlist
        return playlist

    def _decide_control(self) -> ServerControl | None:
        """Before the first playlist, for good: the same in all of them (RFC 8216bis 6.2.4)."""
        presentation = self._presentation
        if not presentation.target_duration:
            return None
        targets = [rendition.part_target_ms for rendition in presentation.renditions.values()]
        if not any(targets):
            return None
        longest_ms = max(longest_part_target_ms(presentation.settings.part_duration_s), *targets)
        return ServerControl(presentation.target_duration, longest_ms / 1000)
