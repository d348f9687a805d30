"""What /metrics shows of the server as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from streaming.events.events import EventStatistics
from streaming.fork_server.fork_server import ForkServerStatistics
from streaming.ingest.rtmp.server import RtmpServerStatistics
from streaming.live_state.live_state import LiveStateStatistics
from streaming.media_store import StoreStatistics
from streaming.path_messages import MessageStatistics
from streaming.shelf_messages import Metric
from streaming.webhooks.messages import EndpointRecord, WebhookReport

EndpointFigure: TypeAlias = tuple[
    str, str, Callable[[EndpointRecord], float], Literal["counter", "gauge"]
]
"""Name, text, how to read the value, and kind."""


def store_metrics(seen: StoreStatistics) -> list[Metric]:
    """What /metrics shows of the media store."""
    return [
        Metric("headwater_store_bytes", "Media held for all live windows.", seen.held_bytes),
        Metric("headwater_store_limit_bytes", "The most it may hold.", seen.limit_bytes),
        Metric("headwater_store_written_bytes", "Ever written.", seen.written_bytes,
               kind="counter"),
        Metric("headwater_store_refusals", "How often there was no room for a part.",
               seen.refused, kind="counter"),
    ]  # fmt: skip


def rtmp_metrics(seen: RtmpServerStatistics) -> list[Metric]:
    """What /metrics shows of the RTMP port."""
    return [
        Metric("headwater_rtmp_connections", "Open connections.", seen.connections),
        Metric("headwater_rtmp_publishing", "Of these, publishing.", seen.publishing),
        Metric("headwater_rtmp_accepted", "Ever accepted.", seen.accepted, kind="counter"),
        Metric("headwater_rtmp_refused", "Refused by a limit.", seen.refused, kind="counter"),
    ]


def event_metrics(seen: EventStatistics) -> list[Metric]:
    """What /metrics shows of the event log."""
    name = "headwater_events_"
    return [
        Metric(name + "emitted", "Events that happened.", float(seen.emitted), kind="counter"),
        Metric(name + "kept", "Events that followers can go back to.", float(seen.kept)),
        Metric(name + "kept_bytes", "Memory that they take.", float(seen.kept_bytes)),
        Metric(name + "untold", "Events not yet written to disk.", float(seen.untold)),
        Metric(name + "failures", "How often the disk took none.", float(seen.failures),
               kind="counter"),
    ]  # fmt: skip


def message_metrics(seen: MessageStatistics) -> list[Metric]:
    """What /metrics shows of metadata and chat."""
    name = "headwater_messages_"
    sent = [
        Metric(name + "sent", "Messages sent to viewers of paths.", float(count),
               {"kind": kind}, "counter")
        for kind, count in seen.sent.items()
    ]  # fmt: skip
    refused = [
        Metric(name + "refused", "Messages refused, by status.", float(count),
               {"status": str(status)}, "counter")
        for status, count in seen.refused.items()
    ]  # fmt: skip
    unlisted = Metric(
        name + "unlisted",
        "Messages that HLS playlists had no room for.",
        float(seen.unlisted),
        kind="counter",
    )
    return [*sent, *refused, unlisted]


def webhook_metrics(seen: WebhookReport) -> list[Metric]:
    """What /metrics shows of each webhook."""
    figures: list[EndpointFigure] = [
        ("pending", "Events not delivered yet.", lambda e: e.pending, "gauge"),
        ("in_flight", "Posts on their way.", lambda e: e.in_flight, "gauge"),
        ("disabled", "1 where the receiver wants no more.", lambda e: e.disabled, "gauge"),
        ("delivered", "Events delivered.", lambda e: e.delivered, "counter"),
        ("failed_attempts", "Attempts that failed.", lambda e: e.failed_attempts, "counter"),
        ("given_up", "Events given up.", lambda e: e.given_up, "counter"),
    ]
    return [
        Metric(f"headwater_webhook_{name}", text, float(value(one)), {"webhook": one.name}, kind)
        for one in seen.endpoints
        for name, text, value, kind in figures
    ]


def loop_metric(lag_s: float) -> Metric:
    """How late the main process's event loop has been."""
    return Metric(
        "headwater_loop_lag_seconds", "Worst delay of the main process's loop lately.", lag_s
    )


def fork_server_metrics(seen: ForkServerStatistics) -> list[Metric]:
    """What /metrics shows of the process that forks the others."""
    return [
        Metric("headwater_fork_server_forks", "Processes forked; others are started by exec.",
               float(seen.forks), kind="counter"),
        Metric("headwater_fork_server_restarts", "Times that it died and was replaced.",
               float(seen.restarts), kind="counter"),
    ]  # fmt: skip


def clock_metric(offset_s: float) -> Metric:
    """By how much the system's clock is ahead of the origin's."""
    return Metric(
        "headwater_clock_offset_seconds", "The system's clock minus the origin's.", offset_s
    )


def live_state_metrics(seen: LiveStateStatistics) -> list[Metric]:
    """What /metrics shows of what is kept on disk."""
    name, thread = "headwater_live_state_", seen.thread
    return [
        Metric(name + "kept", "1 where live windows are kept on disk.", float(seen.is_kept)),
        Metric(name + "written_bytes", "Media.", float(thread.written_bytes), kind="counter"),
        Metric(name + "failures", "Files given up.", float(thread.failures), kind="counter"),
        Metric(name + "behind_seconds", "How long the disk lets wait.", thread.behind_s),
    ]
