"""What a path's choice of publisher means for its programme and its life. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable

from segmenter.errors import MediaError
from segmenter.media import Sample
from streaming.lifecycle import Lifecycle
from streaming.on_air import Switch
from streaming.path_state import Cause, PathState
from streaming.programme import Programme
from streaming.publish_codes import REJECTED
from streaming.publisher_slot import Rank, Slot


class Broadcast:
    """Owns the programme and obeys the switches of ``OnAir``; its path alone calls it.

    `expel` closes a publisher that has to go, with a reason code and why.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        on_switch: Callable[[Switch], None],
        expel: Callable[[Slot, str, str, float], None],
    ) -> None:
        self.programme = Programme(lifecycle)
        self._lifecycle = lifecycle
        self._on_switch = on_switch
        self._expel = expel

    def obey(
        self, switch: Switch | None, now_utc: float, cause: Cause = Cause.PUBLISHER_REPLACED
    ) -> None:
        """Lets another publisher's samples through from now on, or nobody's.

        `cause` is why the one before is off the air.
        """
        if switch is None:
            return
        self._on_switch(switch)
        slot = switch.slot
        if slot is None:
            self._silence(cause, switch.reason, now_utc)
            return
        end_utc = self.programme.end_utc
        held = slot.kept.take_from(end_utc) if switch.is_urgent else slot.kept.take_newest()
        self.programme.fall_silent(now_utc)
        if slot.rank is Rank.SLATE:
            self._take(Cause.SLATE_ON_AIR, switch.reason, now_utc)
        elif switch.old is None or not held:
            if switch.old is not None:
                self._let_go(cause, switch.reason, now_utc)
            self._take(Cause.PUBLISHER_CONNECTED, f"{slot.protocol} publisher", now_utc)
        self.begin(slot, held, now_utc)
        if slot is self.programme.slot and not slot.is_stalled(now_utc):
            self._take(Cause.PUBLISHER_RESUMED, switch.reason, now_utc)

    def replace(self, old: Slot, slot: Slot, now_utc: float) -> None:
        """A publisher has taken the place of another, and with it the air, if that had it."""
        if self.programme.slot is old:
            self._silence(Cause.PUBLISHER_REPLACED, "taken over", now_utc)
            self.programme.begin(slot, [], now_utc)
            self._take(Cause.PUBLISHER_CONNECTED, f"{slot.protocol} publisher", now_utc)

    def begin(self, slot: Slot, held: list[tuple[Sample, float]], now_utc: float) -> None:
        """Puts a publisher on air; one whose media cannot be placed has to go."""
        try:
            self.programme.begin(slot, held, now_utc)
        except MediaError as error:
            if slot.rank is Rank.SLATE:
                raise
            self._expel(slot, REJECTED, str(error), now_utc)

    def place(self, slot: Slot, samples: list[Sample], now_utc: float) -> None:
        """Samples of who is on air. Raises MediaError when one cannot be placed."""
        if self._lifecycle.state is PathState.STALLED and not slot.is_stalled(now_utc):
            self._take(Cause.PUBLISHER_RESUMED, "", now_utc)
        self.programme.push(samples, now_utc)

    def end_slate(self, switch: Switch, now_utc: float) -> None:
        """It has nothing to cover for any more."""
        self._on_switch(switch)
        self.programme.fall_silent(now_utc)

    def _silence(self, cause: Cause, detail: str, now_utc: float) -> None:
        """Nobody is on air; whoever is next continues the playlists."""
        self.programme.fall_silent(now_utc)
        self._let_go(cause, detail, now_utc)

    def _let_go(self, cause: Cause, detail: str, now_utc: float) -> None:
        # Also with a publisher who had only just its turn.
        if self._lifecycle.state is PathState.SLATE:
            cause = Cause.SLATE_GONE
        self._take(cause, detail, now_utc)

    def _take(self, cause: Cause, detail: str, now_utc: float) -> None:
        self._lifecycle.take(cause, detail, now_utc)
