"""The clock that an MPD tells players to set themselves by (D2)."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

from streaming.inspect.fetch import Answer, Fetcher, resolve
from streaming.inspect.mpd import Mpd
from streaming.inspect.mpd_rules import TIMING_SCHEMES
from streaming.inspect.playlist import to_utc
from streaming.inspect.report import Report, UnreadableError

CLOCK_SLACK_S = 2.0
"""Between UTCTiming and the Date header, which counts whole seconds."""


def check_clock(
    report: Report, fetcher: Fetcher, mpd: Mpd, base: str, clock: Callable[[], float]
) -> None:
    """Asks each UTCTiming; ``base`` is the URL of the MPD."""
    for timing in mpd.utc_timings:
        scheme = timing.get("schemeIdUri", "").removeprefix("urn:mpeg:dash:utc:")
        scheme = scheme.removesuffix(":2014")
        value = timing.get("value", "").split(" ")[0]
        if scheme == "direct" and to_utc(value) is None:
            report.error("D2", "UTCTiming direct", f"{value!r} is no date")
        elif scheme in TIMING_SCHEMES and scheme != "direct":
            _check_answer(report, fetcher, scheme, resolve(base, value), clock)


def _check_answer(
    report: Report, fetcher: Fetcher, scheme: str, url: str, clock: Callable[[], float]
) -> None:
    where = f"UTCTiming {scheme}"
    try:
        answer = fetcher.get(url)
    except UnreadableError as error:
        report.error("D2", where, str(error))
        return
    date = _date_of(answer)
    told = date if scheme == "http-head" else to_utc(answer.body.decode("latin-1"))
    if answer.status != 200 or told is None:
        text = answer.body[:60].decode("latin-1")
        report.error("D2", where, f"HTTP status {answer.status}: {text!r} is no date")
        return
    if date is not None and abs(told - date) > CLOCK_SLACK_S:
        report.error("D2", where, f"is {told - date:+.1f} s from the Date header")
    off_s = told - clock()
    if abs(off_s) > CLOCK_SLACK_S:
        report.warn("D2", where, f"is {off_s:+.1f} s from the clock of this machine")


def _date_of(answer: Answer) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
