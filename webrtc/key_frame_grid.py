"""When a publisher is asked for key frames, so that segments begin where they should; sans-IO.

Segments begin with the first key frame at or after a line of the grid, k * T of media time
(segmenter/boundary.py). A request takes its time: the way there, the encoder's next picture, the
way back. So it is sent that much before the line, as it was seen lately.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Final

from segmenter.boundary import grid_ticks, longest_ticks, target_duration_for
from webrtc.media_clock import MEDIA_RATE

PICTURES_REMEMBERED: Final = 30
"""A second's: of the present time tells the picture that was least delayed on its way."""

ANSWERS_REMEMBERED: Final = 8
"""The second quickest counts: one may have been on its way already, and most wait longer for the
encoder's next picture; a key frame just before its line is worse than one just after it."""

MAX_ANSWER_TICKS: Final = MEDIA_RATE
"""A key frame that comes later than a second was not sent for the asking."""

RETRY_S: Final = 0.5
"""Asked again when a key frame is so late."""

MAX_TRIES: Final = 3
"""For each line: requests may get lost, and there are encoders that never answer."""

_LATE_TICKS: Final = MEDIA_RATE // 20
"""A key frame may be so much later than its line."""


class KeyFrameGrid:
    """Owned by one publisher. Times are ticks of its clock (MEDIA_RATE), moments seconds."""

    def __init__(self) -> None:
        self._interval_ticks = 0
        self._slack_ticks = 0
        """A key frame so little before a line stands for it: the segment that begins there may last
        until the next line."""
        self._offset: int | None = None
        self._phases: deque[float] = deque(maxlen=PICTURES_REMEMBERED)
        """How far ahead of the clock of moments each picture was when it came."""
        self._answers: deque[int] = deque(maxlen=ANSWERS_REMEMBERED)
        self._asked: float | None = None
        """When the first request left whose key frame has not come."""
        self._line: int | None = None
        """That was asked for last."""
        self._tries = 0
        self._again_at = 0.0

    def set_interval(self, segment_duration_s: float) -> None:
        """Lines are so far apart; 0: nothing is asked for."""
        self._interval_ticks = grid_ticks(segment_duration_s, MEDIA_RATE)
        duration = Fraction(self._interval_ticks, MEDIA_RATE)
        longest = longest_ticks(target_duration_for(duration, duration), MEDIA_RATE)
        slack = longest - self._interval_ticks - _LATE_TICKS
        self._slack_ticks = max(0, min(slack, self._interval_ticks // 4))

    def set_offset(self, ticks: int) -> None:
        """Media time is so far ahead of the publisher's clock. Until this is known, a key frame is
        due whenever none has come for as long as a segment is to be."""
        self._offset = ticks

    def push(self, dts: int, is_sync: bool, now: float) -> None:
        """A picture came."""
        self._phases.append(dts - now * MEDIA_RATE)
        if is_sync and self._asked is not None:
            answer, self._asked = dts - self._asked, None
            if 0 <= answer <= MAX_ANSWER_TICKS:
                self._answers.append(round(answer))

    def note_request(self, now: float) -> None:
        """A key frame has been asked for, whoever wanted it."""
        if self._phases and self._asked is None:
            self._asked = self._time(now)

    def take_due(self, last_key: int, now: float) -> bool:
        """Whether one is to be asked for now, the last having been at ``last_key``; says so once
        for each request."""
        if not self._interval_ticks or not self._phases or now < self._again_at:
            return False
        line = self._line_before(self._time(now) + self._answer_ticks(), last_key)
        if last_key + self._slack_ticks >= line:
            return False
        if line != self._line:
            self._line, self._tries = line, 0
        elif self._tries >= MAX_TRIES:
            return False
        self._tries += 1
        slowest = max(self._answers, default=MAX_ANSWER_TICKS // 2)
        self._again_at = now + RETRY_S + slowest / MEDIA_RATE
        return True

    def _line_before(self, time: float, last_key: int) -> int:
        """The last line that is not after ``time``."""
        offset = self._offset if self._offset is not None else -last_key
        return int((time + offset) // self._interval_ticks) * self._interval_ticks - offset

    def _time(self, now: float) -> float:
        """That of a picture which would come now without delay."""
        return max(self._phases) + now * MEDIA_RATE

    def _answer_ticks(self) -> int:
        """By how much the key frame that is asked for now will be later than what comes now."""
        if not self._answers:
            return 0
        quickest = sorted(self._answers)[len(self._answers) > 2]
        return min(quickest, self._interval_ticks // 2)
