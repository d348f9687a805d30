"""Paths that tests publish to by WebRTC."""

from __future__ import annotations

from typing import Final

CONFIG: Final = """
[paths."live/*"]
ladder = "copy"
[paths."small/*"]
ladder = [{ name = "source", copy = true }, { name = "240p", height = 240, bitrate_kbps = 200 }]
[paths."grid/*"]
ladder = "copy"
segment_duration_s = 1.0
[paths."both/*"]
ladder = "copy"
audio = "both"
[paths."locked/*"]
ladder = "copy"
publish_key = "s3cret"
"""
