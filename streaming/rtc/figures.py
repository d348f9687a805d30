"""What /metrics shows of WebRTC."""

from __future__ import annotations

import math
from itertools import accumulate

from streaming.rtc.messages import RtcReport
from streaming.rtc.webrtc_process import WebrtcStatistics
from streaming.shelf_messages import Metric
from webrtc.lateness import LATE_BOUNDS_S, LatenessCounts


def webrtc_metrics(seen: WebrtcStatistics) -> list[Metric]:
    """Of all peers together; counters begin anew with the process."""
    report, name = seen.report, "headwater_webrtc_"
    sessions = sum(report.viewers.values())
    return [
        Metric(name + "viewers", "WHEP sessions.", float(sessions)),
        Metric(name + "publishers", "WHIP sessions that have sent media.",
               float(report.publishers)),
        Metric(name + "published_pictures", "Video tracks of WHIP sessions; each layer is one.",
               float(report.pictures)),
        Metric(name + "process_starts", "Starts of the WebRTC process.",
               float(seen.worker.starts), kind="counter"),
        *(
            Metric(name + what, text, float(value), kind="counter")
            for what, text, value in _counters(report)
        ),
        *(
            Metric(name + what, text, value)
            for what, text, value in (
                ("rtt_seconds", "Round trips to viewers, on average.", report.rtt_s),
                ("worst_rtt_seconds", "The longest of them.", report.worst_rtt_s),
                ("loss_ratio", "Packets of video lost on the way, on average.", report.loss),
                ("worst_loss_ratio", "The most of a viewer.", report.worst_loss),
            )
        ),
        Metric(name + "send_threads", "Threads that send to viewers, by the priority they have.",
               float(report.send_threads), {"priority": report.send_priority}),
        _lateness_metric("sound", report.sound_lateness),
        _lateness_metric("picture", report.picture_lateness),
    ]  # fmt: skip


def _counters(report: RtcReport) -> list[tuple[str, str, int]]:
    return [
        ("sessions_opened", "Offers answered.", report.sessions_opened),
        ("sessions_failed", "Offers refused.", report.sessions_failed),
        ("layers_stopped", "Times that a publisher ceased to send a simulcast layer.",
         report.layers_stopped),
        ("packets_sent", "Datagrams sent to viewers.", report.packets_sent),
        ("bytes_sent", "Their bytes.", report.bytes_sent),
        ("packets_resent", "Sent again because viewers asked.", report.retransmitted),
        ("packets_received", "Packets of publishers, each once.", report.packets_received),
        ("packets_missed", "Of publishers, that did not come the first time.",
         report.packets_missed),
        ("packets_lost", "Of these, that never came.", report.packets_lost),
        ("pictures_skipped", "Times that a viewer lost pictures up to the next key frame.",
         report.pictures_skipped),
        ("packets_asked_again", "Packets that viewers asked for (NACK).", report.nacks),
        ("pictures_lost", "Times that a viewer needed a key frame (PLI, FIR).",
         report.pictures_lost),
        ("key_frame_requests", "Key frames asked for, by all viewers of a path at once.",
         report.key_frame_requests),
    ]  # fmt: skip


def _lateness_metric(kind: str, seen: LatenessCounts) -> Metric:
    return Metric(
        "headwater_webrtc_send_lateness_seconds",
        "From when a picture or sound came until its last packet left, for each viewer.",
        seen.sum_s,
        {"kind": kind},
        "histogram",
        tuple(zip((*LATE_BOUNDS_S, math.inf), accumulate(seen.counts), strict=True)),
    )
