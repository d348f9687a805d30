"""What the fork server imports is what children run."""

from __future__ import annotations

import importlib.util

import pytest

from streaming.fork_server.modules import AT_ONCE, FORK_SERVER, NAMES, OTHER, SHARED
from streaming.ingest import pull
from streaming.rtc import webrtc_process
from streaming.slate import encoding
from streaming.transcode import transcode_link
from streaming.webhooks import webhooks


def test_what_the_main_process_starts_is_imported_beforehand() -> None:
    started = {
        pull.WORKER_MODULE,
        webrtc_process.MODULE,
        encoding.MODULE,
        transcode_link.MODULE,
        webhooks.MODULE,
    }
    assert set(NAMES) == started | {"streaming.server.delivery"}


def test_what_every_start_needs_comes_first() -> None:
    assert set(list(NAMES)[: len(AT_ONCE)]) == AT_ONCE


@pytest.mark.parametrize("module", [*NAMES, *SHARED])
def test_each_is_there(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


def test_the_kernel_keeps_the_names_whole() -> None:
    assert all(len(name.encode()) <= 15 for name in (*NAMES.values(), OTHER, FORK_SERVER))
