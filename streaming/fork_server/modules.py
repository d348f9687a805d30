"""What is imported before a child asks for it, when, and how its process is called."""

from __future__ import annotations

from typing import Final

SHARED: Final = (
    "streaming.shelf_messages",
    "streaming.auth.view_keys",
    "streaming.rtc.messages",
    "streaming.ingest.canonical",
    "uvloop",
)
"""Imported before the fork server is forked: both sides of it need them, and a tenth of a second
that is imported once is not imported twice."""

NAMES: Final = {
    "streaming.server.delivery": "hw-delivery",
    "streaming.rtc.process": "hw-webrtc",
    "streaming.ingest.pull_worker": "hw-source",
    "streaming.transcode.worker": "hw-transcoder",
    "streaming.slate.worker": "hw-slate",
    "streaming.webhooks.process": "hw-webhooks",
}
"""The modules that children run, in the order in which a start needs them, and the names of their
processes (15 bytes at most) for top and `ps -o comm`."""

AT_ONCE: Final = frozenset({"streaming.server.delivery", "streaming.rtc.process"})
"""Those that every start needs. The others are imported when they are asked for, or nothing is."""

OTHER: Final = "hw-child"
"""The name of any other."""

FORK_SERVER: Final = "hw-fork-server"
