"""One session of the script as the samples that arrive, moment by moment."""

from __future__ import annotations

from fractions import Fraction

from segmenter.media import Sample
from tests.segmenter.day.script import Session, Trouble, frame_s

PICTURE = bytes(40)
SOUND = bytes(8)


class Publisher:
    """Sends what has been captured until a moment; stamps are milliseconds of its own clock.

    Its crystal runs ``drift_ppm`` fast: frames and stamps are counted by it, arrivals by ours.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._frames = self._sounds = 0
        self._sound_s = float(frame_s(session.sound))
        self._rate = 1 + session.drift_ppm / 1e6
        self._mask = (1 << session.wrap_bits) - 1
        self._offset_ms = float(session.first_stamp)
        self._frozen_s = 0.0
        self._troubles = list(session.troubles)
        self._silent_until_s = 0.0
        self.encoder_away_until_s = 0.0
        self.is_over = self.is_silent = False

    def send(self, at_s: float) -> list[Sample]:
        """What arrives until ``at_s`` seconds after the session began, in order."""
        self._meet_troubles(at_s)
        self.is_silent = at_s < self._silent_until_s
        if self.is_silent:
            return []
        until_s = (min(at_s, self.session.seconds) - self._frozen_s) * self._rate
        self.is_over = at_s >= self.session.seconds
        return self._captured(until_s)

    def _captured(self, until_s: float) -> list[Sample]:
        session, out = self.session, []
        while True:
            frame_at, sound_at = self._frames / session.fps, self._sounds * self._sound_s
            if min(frame_at, sound_at) > until_s:
                return out
            if frame_at <= sound_at:
                is_sync = self._frames % session.gop == 0
                out.append(self._sample("source", frame_at, PICTURE, is_sync))
                self._frames += 1
            else:
                out.append(self._sample("audio", sound_at, SOUND, True))
                self._sounds += 1

    def _sample(self, track: str, at_s: float, data: bytes, is_sync: bool) -> Sample:
        stamp = int(self._offset_ms + 1000 * at_s) & self._mask
        return Sample(track, stamp, stamp, data, is_sync)

    def _meet_troubles(self, at_s: float) -> None:
        while self._troubles and self._troubles[0][0] <= at_s:
            when_s, kind, amount = self._troubles.pop(0)
            match kind:
                case Trouble.PAUSE:
                    self._captured((when_s - self._frozen_s) * self._rate)
                    self._skip((when_s + amount - self._frozen_s) * self._rate)
                    self._silent_until_s = when_s + amount
                case Trouble.FREEZE:
                    self._frozen_s += amount
                    self._silent_until_s = when_s + amount
                case Trouble.BURST:
                    self._silent_until_s = when_s + amount
                case Trouble.JUMP:
                    self._offset_ms += 1000 * amount
                case Trouble.LOST_ENCODER:
                    self.encoder_away_until_s = when_s + amount

    def _skip(self, until_s: float) -> None:
        """Capture goes on at that moment, by its crystal, with a group of pictures."""
        gop_s = Fraction(self.session.gop, self.session.fps)
        groups = -(-Fraction(until_s) // gop_s)
        self._frames = int(groups * self.session.gop)
        self._sounds = int(groups * gop_s / frame_s(self.session.sound))
