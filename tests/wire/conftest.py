"""What tests over the wire share: the wire, and an origin whose path "live/two" is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess
from tests.wire.room import WireRoom, wire_room
from tests.wire.stage import pushing, wired_origin


@pytest.fixture(scope="module")
def room() -> Iterator[WireRoom]:
    """See tests/wire/room.py."""
    with wire_room() as opened:
        yield opened


@pytest.fixture(scope="module")
def origin(
    room: WireRoom, heavy_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OriginProcess]:
    """An origin at the wire's end with two renditions of the clip."""
    with (
        wired_origin(room, tmp_path_factory.mktemp("origin")) as running,
        pushing(room, running, heavy_clip, "live/two"),
    ):
        running.wait_segments("live/two", "180p", 1)
        yield running
