"""What a whole origin tells of what happens to it: its processes, its segments, its sessions."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = pytest.mark.slow

EVENTS = "/api/v1/events?after=0"
OFFER = Path(__file__).parents[1] / "webrtc" / "offers" / "chromium-whep.sdp"
PATH = """
[paths.cam]
source = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
ladder = "copy"
"""
CONFIG = f"""
[events]
segments = true
[[webhooks]]
name = "nobody"
url = "http://127.0.0.1:9/"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
{PATH}
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_path("cam", "live")
        yield running


def wait_told(origin: OriginProcess, kind: str, **data: Any) -> dict[str, Any]:
    """The first event of a type with such data."""
    url = f"{EVENTS}&type={kind}&wait=1"

    def found() -> dict[str, Any] | None:
        status, body = origin.fetch(url)
        told = [event["data"] for event in json.loads(body)] if status == 200 else []
        return next((one for one in told if data.items() <= one.items()), None)

    return origin.wait(found, f"{kind} with {data}", 20.0)


@pytest.mark.parametrize(
    ("module", "worker"),
    [
        ("streaming.webhooks.process", "webhooks"),
        ("streaming.rtc.process", "webrtc"),
        ("streaming.server.delivery", "delivery"),
        ("streaming.ingest.pull_worker", "source"),
    ],
)
def test_a_process_that_is_killed_and_replaced_is_told(
    origin: OriginProcess, module: str, worker: str
) -> None:
    os.kill(origin.child(module), signal.SIGKILL)
    told = wait_told(origin, "worker.restarted", worker=worker)
    assert told.get("reason") == "signal 9" or told.get("restarts") == 1


def test_each_segment_is_told_to_who_names_the_type(origin: OriginProcess) -> None:
    told = wait_told(origin, "segment.ready", rendition="source")
    assert origin.fetch(told["url"])[0] == 200
    kinds = {event["type"] for event in json.loads(origin.get(EVENTS + "&wait=0"))}
    assert "path.state" in kinds
    assert "segment.ready" not in kinds


def test_where_it_is_not_configured_no_segment_is_told(tmp_path: Path) -> None:
    with origin_process(tmp_path, PATH) as origin:
        origin.wait_segments("cam", "source", 2)
        assert origin.fetch(EVENTS + "&type=segment.ready&wait=0")[0] == 204


def test_a_webrtc_session_is_told_from_its_beginning_to_its_end(origin: OriginProcess) -> None:
    origin.wait_path("cam", "live")
    offer = urllib.request.Request(
        origin.url("/cam/whep"),
        OFFER.read_bytes(),
        {"Content-Type": "application/sdp"},
        method="POST",
    )
    with urllib.request.urlopen(offer, timeout=10) as answer:
        location = answer.headers["Location"]
    opened = wait_told(origin, "session.opened", protocol="whep")
    assert opened["session"] in location
    end = urllib.request.Request(origin.url(location), method="DELETE")
    urllib.request.urlopen(end, timeout=10).close()
    closed = wait_told(origin, "session.closed", session=opened["session"])
    assert closed["reason"]
