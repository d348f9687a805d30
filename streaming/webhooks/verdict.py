"""What an answer of a receiver means for a delivery, and when the next attempt is. Sans-IO."""

from __future__ import annotations

import email.utils
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_RETRY_AFTER_S: Final = 86_400.0
"""A receiver that asks for more is asked again after a day."""
THROTTLES: Final = frozenset({429, 502, 503, 504})
"""Of these the whole endpoint is let alone for a while, not just this delivery."""
JITTER: Final = 0.2
"""A delay is up to so much longer: what failed together does not come back together."""


class Outcome(enum.Enum):
    """What becomes of a delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GIVEN_UP = "given up"
    DISABLED = "disabled"
    """The receiver wants no more of any (410)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt; `status` 0 with an `error` when nothing was answered."""

    status: int
    retry_after: str = ""
    """The header field, as it came."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do."""

    outcome: Outcome
    retry_in_s: float = 0.0
    pause_s: float = 0.0
    """For how long nothing at all is sent to this endpoint."""


def judge(
    answer: Answer, attempt: int, retry_s: Sequence[float], now_utc: float, chance: float
) -> Verdict:
    """`attempt` counts from 1, `chance` is between 0 and 1."""
    if 200 <= answer.status < 300:
        return Verdict(Outcome.DELIVERED)
    if answer.status == 410:
        return Verdict(Outcome.DISABLED)
    if attempt > len(retry_s):
        return Verdict(Outcome.GIVEN_UP)
    delay_s = retry_s[attempt - 1] * (1 + JITTER * chance)
    if answer.status not in THROTTLES:
        return Verdict(Outcome.RETRY, delay_s)
    asked_s = retry_after_s(answer.retry_after, now_utc)
    pause_s = min(asked_s, LONGEST_RETRY_AFTER_S)
    return Verdict(Outcome.RETRY, max(delay_s, pause_s * (1 + JITTER * chance)), pause_s)


def retry_after_s(value: str, now_utc: float) -> float:
    """Seconds that a Retry-After field asks for: a number or a date (RFC 9110 10.2.3); else 0."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_utc)
    except (ValueError, TypeError, OverflowError):
        return 0.0
