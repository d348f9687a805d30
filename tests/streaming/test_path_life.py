"""What the registry has to do with a path's life: who asks, sources that fail, workers that die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segmenter.timeline import RTMP_CLOCK
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.events import Events
from streaming.media_store import MediaStore
from streaming.path_registry import KNOCKS_BURST, PathRegistry
from streaming.shelf_feed import ShelfFeed
from streaming.webhooks.payload import render_payload
from tests.segmenter.stage import SOURCE, START
from tests.streaming.events.news_scene import Recorder
from tests.streaming.events.test_ingest_exam import picture
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request

TINY = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
KEYED = PathConfig(ladder="copy", publish_key="right")


class Scene:
    """A registry and the events of its paths."""

    def __init__(
        self, paths: dict[str, PathConfig], clock: Callable[[], float] | None = None
    ) -> None:
        self.now = float(START)
        self.recorder = Recorder()
        self.registry = PathRegistry(
            Config(paths=paths),
            ShelfFeed(MediaStore()),
            clock or (lambda: self.now),
            emit=self.recorder,
        )

    @property
    def states(self) -> list[str]:
        return [data["state"] for data in self.recorder.of("path.state")]

    @property
    def reasons(self) -> list[str]:
        return [data["reason"] for data in self.recorder.of("path.state")]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Timers go on, for there are true processes, until `condition` holds."""
        async with asyncio.timeout(30):
            while not condition():
                await self.registry.handle_timer()
                await asyncio.sleep(0.02)


async def test_each_transition_is_an_event_a_webhook_a_metric_and_a_line_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    events = Events(None, lambda: float(START))
    registry = PathRegistry(
        Config(paths={"*": PathConfig(ladder="copy")}),
        ShelfFeed(MediaStore()),
        lambda: float(START),
        emit=events.emit,
    )
    publication = await registry.publish(request(), FakePublisher())
    publication.close("connection lost")
    logged = [
        entry
        for entry in events.log.after(events.log.floor, 10)
        if entry.event.type == "path.state"
    ]
    posted = [json.loads(render_payload(entry.body)) for entry in logged]
    assert [one["data"] for one in posted] == [
        {"state": "probing", "was": "idle", "was_for_s": 0.0, "reason": "publisher-connected",
         "detail": "rtmp publisher"},
        {"state": "reconnecting", "was": "probing", "was_for_s": 0.0, "reason": "publisher-left",
         "detail": "primary: connection lost"},
    ]  # fmt: skip
    assert posted[1]["state_version"] == posted[0]["state_version"] + 1
    counted = {
        metric.labels["reason"]: metric.value
        for metric in registry.metrics()
        if metric.name == "headwater_path_transitions"
    }
    assert counted == {"publisher-connected": 1, "publisher-left": 1}
    assert (
        "live/a: probing → reconnecting (publisher-left: primary: connection lost)" in caplog.text
    )
    await registry.close()


async def test_a_named_path_is_authorizing_while_its_first_publishers_key_is_checked() -> None:
    scene = Scene({"live/a": KEYED})
    publication = await scene.registry.publish(request(key="right"), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    publication.write([picture(0, sync=True), picture(33)])
    assert scene.states == ["authorizing", "probing", "starting", "live"]
    await scene.registry.close()


async def test_a_named_path_is_authorizing_until_who_was_let_in_begins_or_goes() -> None:
    scene = Scene({"live/a": KEYED})
    claim = await scene.registry.admit(request(key="right", protocol="whip"))
    claim.drop()
    claim.drop()
    claim = await scene.registry.admit(request(key="right", protocol="whip"))
    claim.take(FakePublisher())
    assert scene.states == ["authorizing", "idle", "authorizing", "probing"]
    await scene.registry.close()


async def test_a_refused_publisher_leaves_nothing_of_the_path() -> None:
    scene = Scene({"live/a": KEYED})
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(key="wrong"), FakePublisher())
    await scene.registry.handle_timer()
    assert scene.states == ["authorizing", "idle"]
    assert scene.recorder.kinds[-2:] == ["publisher.rejected", "path.closed"]
    assert scene.registry.statistics().paths == 0


async def test_whoever_is_refused_changes_nothing_of_a_path_that_lives() -> None:
    scene = Scene({"live/a": KEYED})
    await scene.registry.publish(request(key="right"), FakePublisher())
    version = scene.registry.state_version("live/a")
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(key="wrong"), FakePublisher())
    assert scene.registry.state_version("live/a") == version
    await scene.registry.close()


async def test_strangers_bring_no_paths_into_being_by_asking() -> None:
    scene = Scene({"live/*": KEYED, "live/named": KEYED})
    for number in range(50):
        with pytest.raises(PublishRejected):
            await scene.registry.publish(request(f"live/{number}", "wrong"), FakePublisher())
    assert scene.states == []
    for _ in range(50):
        with pytest.raises(PublishRejected):
            await scene.registry.publish(request("live/named", "wrong"), FakePublisher())
        await scene.registry.handle_timer()
    assert scene.states.count("authorizing") <= KNOCKS_BURST


async def test_a_source_that_cannot_be_opened_is_tried_on_until_there_is_one(
    tmp_path: Path,
) -> None:
    settings = PathConfig(source=str(tmp_path / "none.mp4"), ladder="copy")
    scene = Scene({"cam": settings})
    scene.registry.start()
    assert scene.states == ["connecting"]

    def failures() -> int:
        return scene.registry._paths["cam"].path.lifecycle.statistics(scene.now).source_failures

    for attempt in range(1, 6):
        await scene.until(lambda attempt=attempt: failures() >= attempt)  # type: ignore[misc]
        scene.now += 60
    assert scene.states == ["connecting", "failed"]
    assert "none.mp4" not in str(scene.recorder.events), "events do not tell what is pulled"
    told = scene.registry.apply(Config(paths={"cam": PathConfig(source=TINY, ladder="copy")}))
    assert told.changed == ["cam"]
    await scene.until(lambda: scene.states[-1] == "live")
    await scene.registry.close()
    assert scene.reasons[:4] == [
        "source-wanted", "source-failing", "source-dropped", "publisher-connected",
    ]  # fmt: skip


async def test_a_sources_worker_that_is_killed_is_replaced_by_the_paths_life() -> None:
    scene = Scene({"cam": PathConfig(source=TINY, ladder="copy")}, time.time)
    scene.registry.start()
    await scene.until(lambda: scene.states[-1] == "live")
    pull = scene.registry._paths["cam"].pull
    assert pull is not None
    assert pull._worker is not None
    os.kill(pull._worker.statistics().pid, signal.SIGKILL)
    await scene.until(lambda: scene.states.count("live") == 2)
    await scene.registry.close()
    once = ["probing", "starting", "live"]
    assert scene.states[:8] == ["connecting", *once, "reconnecting", *once]
    assert scene.recorder.of("worker.restarted") == [{"worker": "source", "reason": "signal 9"}]


async def test_a_path_whose_timer_fails_costs_no_other_path_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene({"*": PathConfig(ladder="copy", linger_s=5)})
    for name in ("live/a", "live/b"):
        publication = await scene.registry.publish(request(name), FakePublisher())
        publication.close("gone")

    def broken(now_utc: float) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(scene.registry._paths["live/a"], "handle_timer", broken)
    scene.now += 6
    await scene.registry.handle_timer()
    assert scene.registry._paths["live/b"].path.state.value == "ended"
    await scene.registry.close()


async def test_a_source_that_was_kicked_stays_away() -> None:
    scene = Scene({"cam": PathConfig(source=TINY, ladder="copy", linger_s=1)}, time.time)
    scene.registry.start()
    await scene.until(lambda: scene.states[-1] == "live")
    assert scene.registry.kick("cam")
    await scene.until(lambda: scene.states[-1] == "ended")
    assert scene.reasons[-3:] == ["publisher-kicked", "nobody-came-back", "drained"]
    await scene.registry.close()
