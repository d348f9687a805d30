"""Each figure of a record is told under its own name, and no two of them are mixed up."""

from __future__ import annotations

from typing import Any

from streaming.ingest.rtmp.server import RtmpServerStatistics
from streaming.media_store import StoreStatistics
from streaming.rtc.figures import webrtc_metrics
from streaming.rtc.messages import RtcReport
from streaming.rtc.webrtc_process import WebrtcStatistics
from streaming.server_metrics import rtmp_metrics, store_metrics, webhook_metrics
from streaming.shelf_messages import Metric
from streaming.webhooks.messages import EndpointRecord, WebhookReport
from streaming.worker_process import WorkerStatistics
from webrtc.lateness import LATE_BOUNDS_S, LatenessCounts


def figures(metrics: list[Metric], prefix: str) -> dict[str, float]:
    return {one.name.removeprefix(prefix): one.value for one in metrics if not one.buckets}


def test_webrtc() -> None:
    counts = tuple(range(len(LATE_BOUNDS_S) + 1))
    fields: dict[str, Any] = {
        "publishers": 2, "pictures": 3, "layers_stopped": 4, "packets_sent": 5, "bytes_sent": 6,
        "retransmitted": 7, "pictures_skipped": 8, "key_frame_requests": 9, "sessions_opened": 10,
        "sessions_failed": 11, "nacks": 12, "pictures_lost": 13, "rtt_s": 0.14,
        "worst_rtt_s": 0.15, "loss": 0.16, "worst_loss": 0.17, "packets_received": 23,
        "packets_missed": 24, "packets_lost": 25, "send_threads": 26,
    }  # fmt: skip
    report = RtcReport(
        viewers={"a": 20, "b": 1}, sound_lateness=LatenessCounts(counts, 18.0),
        picture_lateness=LatenessCounts(counts, 19.0), **fields,
    )  # fmt: skip
    metrics = webrtc_metrics(WebrtcStatistics(WorkerStatistics(1, 22, 0, None), report, 0))
    assert figures(metrics, "headwater_webrtc_") == {
        "viewers": 21, "publishers": 2, "published_pictures": 3, "layers_stopped": 4,
        "packets_sent": 5, "bytes_sent": 6, "packets_resent": 7, "pictures_skipped": 8,
        "key_frame_requests": 9, "sessions_opened": 10, "sessions_failed": 11,
        "packets_asked_again": 12, "pictures_lost": 13, "rtt_seconds": 0.14,
        "worst_rtt_seconds": 0.15, "loss_ratio": 0.16, "worst_loss_ratio": 0.17,
        "process_starts": 22, "packets_received": 23, "packets_missed": 24, "packets_lost": 25,
        "send_threads": 26,
    }  # fmt: skip
    late = {one.labels["kind"]: one for one in metrics if one.buckets}
    assert (late["sound"].value, late["picture"].value) == (18.0, 19.0)
    assert late["sound"].buckets[-1][1] == sum(counts), "buckets add up"


def test_webhooks() -> None:
    endpoint = EndpointRecord("mine", 1, 2, 3, 4, 5, True)
    metrics = webhook_metrics(WebhookReport((endpoint,)))
    assert figures(metrics, "headwater_webhook_") == {
        "pending": 1, "in_flight": 2, "delivered": 3, "failed_attempts": 4, "given_up": 5,
        "disabled": 1,
    }  # fmt: skip
    assert {one.labels["webhook"] for one in metrics} == {"mine"}


def test_rtmp_and_store() -> None:
    for make, kind, prefix, renamed in (
        (rtmp_metrics, RtmpServerStatistics, "headwater_rtmp_", {}),
        (store_metrics, StoreStatistics, "headwater_store_",
         {"held_bytes": "bytes", "refused": "refusals"}),
    ):  # fmt: skip
        names = list(kind.__dataclass_fields__)
        made: Any = make
        told = figures(made(kind(**{name: at for at, name in enumerate(names)})), prefix)
        assert told == {
            renamed.get(name, name): at
            for at, name in enumerate(names)
            if renamed.get(name, name) in told
        }
        assert len(told) == 4
