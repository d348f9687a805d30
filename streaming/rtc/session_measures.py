"""From what peers and the fan-out count to what the API tells of a session."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.rtc.session_figures import StreamFigures, WebrtcFigures
from webrtc.fanout_events import StreamSummary
from webrtc.incoming_stream import IncomingStatistics
from webrtc.publisher import Publisher
from webrtc.session import Role
from webrtc.subscriber import Subscriber
from webrtc.viewer_settings import StreamSettings


def figures_of(role: Role, checked_rtt_s: float | None = None) -> WebrtcFigures | None:
    """Of one session; None until media flow. `checked_rtt_s` is what ICE knows."""
    if isinstance(role, Publisher):
        sources = role.statistics().sources
        rtt_s = checked_rtt_s if role.rtt_s is None else role.rtt_s
        return _publisher_figures(sources, rtt_s) if sources else None
    if isinstance(role, Subscriber) and role.summary is not None:
        return _viewer_figures(role)
    return None


def _publisher_figures(sources: Sequence[IncomingStatistics], rtt_s: float | None) -> WebrtcFigures:
    streams = [
        StreamFigures(
            kind=one.kind.value,
            name=one.name,
            bitrate=one.bitrate,
            packets=one.received,
            missed=one.recovered + one.lost,
            repaired=one.recovered,
            lost=one.lost,
            loss=one.loss,
            jitter_s=one.jitter_s,
        )
        for one in sources
    ]
    asked = sum(one.requests for one in sources)
    return WebrtcFigures(rtt_s, sum(one.bitrate for one in streams), None, asked, None, streams)


def _lost(stream: StreamSummary, settings: StreamSettings) -> int | None:
    """None where reports do not tell, which leave out what comes with another SSRC."""
    return None if settings.rtx_ssrc or stream.lost < 0 else stream.lost


def _viewer_figures(role: Subscriber) -> WebrtcFigures:
    summary, seen = role.summary, role.statistics()
    assert summary is not None
    streams = [
        StreamFigures(
            kind=kind,
            name=seen.playing.get(kind, ""),
            bitrate=seen.bitrates.get(kind, 0),
            packets=stream.packets,
            missed=stream.nacks,
            repaired=stream.resent,
            lost=_lost(stream, role.streams[kind]),
            loss=stream.loss,
            jitter_s=stream.jitter_s,
        )
        for kind, stream in summary.streams.items()
    ]
    return WebrtcFigures(
        summary.rtt_s or None,
        sum(one.bitrate for one in streams),
        summary.remb_bitrate or None,
        None,
        seen.switches,
        streams,
    )
