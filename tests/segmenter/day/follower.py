"""A low-latency player that does nothing but ask: always for the next part, never refused."""

from __future__ import annotations

from segmenter.hls.directives import Answer, Position, Wait, decide, recheck
from segmenter.hls.rendered_playlist import PlaylistState, Skip
from tests.segmenter.hls.low_latency_text import LowLatencyPlaylist


class Follower:
    """Follows one rendition by `_HLS_msn` and `_HLS_part`, and minds each part's promises."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.longest_wait_s = 0.0
        self.answers = 0
        self._until: Position | None = None
        self._since_utc = 0.0
        self._hinted = ""
        self.surprises = 0
        """Hinted parts that did not come, as their segment ended before them."""
        self.taken_back = 0
        """First parts of a next segment that were hinted too early."""

    def see(self, state: PlaylistState, playlist: LowLatencyPlaylist, now_utc: float) -> None:
        """The playlist has changed: is the request answered, and what is asked next?"""
        self._check_hint(state, playlist)
        if self._until is not None:
            decision = recheck(self._until, state, Skip.YES)
            if isinstance(decision, Wait):
                self._until = decision.until
                return
        self.check_wait(now_utc)
        self.answers += 1
        self._since_utc = now_utc
        if state.is_ended:
            self._until = None
            return
        self._until = self._ask(state, playlist)

    def pardon(self, now_utc: float) -> None:
        """It is no fault of ours that nothing has come until now."""
        self._since_utc = now_utc

    def check_wait(self, now_utc: float) -> None:
        """Time passes while it waits."""
        if self._until is not None:
            self.longest_wait_s = max(self.longest_wait_s, now_utc - self._since_utc)

    def _check_hint(self, state: PlaylistState, playlist: LowLatencyPlaylist) -> None:
        """H19: the part that was hinted has come, or is still hinted, or its segment ended."""
        hinted, self._hinted = self._hinted, state.hint
        if not hinted or hinted == state.hint or state.is_ended:
            return
        msn, part = map(int, hinted.split(".")[:2])
        if part and msn <= state.last_msn:
            self.surprises += msn == state.last_msn and part == state.last_parts
            return
        segments = (*playlist.segments, *([playlist.opened] if playlist.opened else []))
        listed = {each.uri for segment in segments for each in segment.parts}
        if hinted not in listed:
            assert part == 0, f"H19: {hinted} never came"
            self.taken_back += 1

    def _ask(self, state: PlaylistState, playlist: LowLatencyPlaylist) -> Position:
        msn = playlist.last_msn + 1
        part = len(playlist.opened.parts) if playlist.opened else 0
        decision = decide(f"_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES", state)
        assert not isinstance(decision, Answer), f"H3: {msn}.{part} is not there yet"
        assert isinstance(decision, Wait), f"{decision}"
        return decision.until
