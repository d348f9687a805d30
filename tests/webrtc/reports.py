"""Summaries of viewers, of which a test says only what it is about."""

from __future__ import annotations

from typing import Any

from webrtc.fanout_events import ViewerSummary

_QUIET: dict[str, Any] = {
    "viewer": 1,
    "last_seen_s": 0.0,
    "video": None,
    "audio": None,
    "rtt_s": 0.0,
    "remb_bitrate": 0,
    "reported_s": 0.0,
    "reported_packets": 0,
    "reported_loss": 0.0,
    "received_bitrate": 0,
    "queue_delay_s": 0.0,
    "delay_slope": 0.0,
    "burst_bitrate": 0,
    "send_failures": 0,
}


def summary(**said: Any) -> ViewerSummary:
    """A summary of a viewer that reported nothing but this."""
    return ViewerSummary(**{**_QUIET, **said})
