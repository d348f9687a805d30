"""The door: names, keys, policies, sources on demand, and what a bad publisher costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segmenter.media import Codec, Track
from segmenter.timeline import MPEG_TS_CLOCK, RTMP_CLOCK
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import Publication, PublishRequest
from streaming.media_store import MediaStore
from streaming.path_entry import REST_AFTER_S
from streaming.path_name import name_error
from streaming.path_registry import PathRegistry
from streaming.publisher_slot import Rank
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import PathState as PathStateMessage
from streaming.shelf_messages import Put
from tests.segmenter.stage import SOURCE, START, video
from tests.streaming.test_path import FakePublisher

COPY = PathConfig(ladder="copy", audio="copy")
AUDIO = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)


class RecordingFeed(ShelfFeed):
    """A feed that also remembers which states it was told."""

    def __init__(self) -> None:
        super().__init__(MediaStore())
        self.told: list[PathStateMessage] = []
        self.at_rest: set[str] = set()
        self.texts = 0

    def path_state(self, state: PathStateMessage) -> None:
        self.told.append(state)
        super().path_state(state)

    def put(self, put: Put) -> None:
        self.texts += put.cache == "playlist"
        super().put(put)

    def rest(self, path: str) -> None:
        self.at_rest.add(path)
        super().rest(path)

    def wake(self, path: str) -> None:
        self.at_rest.remove(path)
        super().wake(path)


class Scene:
    def __init__(self, **config: object) -> None:
        self.now = 1_700_000_000.0
        self.feed = RecordingFeed()
        config.setdefault("paths", {"*": COPY})
        self.registry = PathRegistry(Config(**config), self.feed, lambda: self.now)  # type: ignore[arg-type]

    def told(self) -> list[tuple[str, str]]:
        return [(state.path, state.state) for state in self.feed.told]


def request(
    path: str = "live/a", key: str = "", protocol: str = "rtmp", **query: str
) -> PublishRequest:
    return PublishRequest(path, key, "10.0.0.1:5", protocol, query)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.registry.close()


async def refusal(scene: Scene, asked: PublishRequest) -> str:
    return (await rejection(scene, asked)).description


async def rejection(scene: Scene, asked: PublishRequest) -> PublishRejected:
    with pytest.raises(PublishRejected) as refused:
        await scene.registry.publish(asked, FakePublisher())
    return refused.value


async def test_a_path_needs_no_configuration_to_exist(scene: Scene) -> None:
    await scene.registry.publish(request(), FakePublisher())
    assert ("live/a", "starting") in scene.told()


@pytest.mark.parametrize(
    "name", ["live/foo", "a", "Cam_1.hd", "a/b/c/d/e/f/g/h", "~tom/show-1", "x" * 200]
)
def test_names_that_can_be_paths(name: str) -> None:
    assert name_error(name) == ""


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", ".hidden", "a/../b", "a b", "a?b", "ü", "a/b/c/d/e/f/g/h/i",
             "x" * 201, "api/v1", "metrics", "static/x", "time"],
)  # fmt: skip
async def test_names_that_cannot_be_paths_are_refused_with_a_reason(
    scene: Scene, name: str
) -> None:
    assert name_error(name)
    assert await refusal(scene, request(name)) == name_error(name)


@pytest.mark.parametrize(("there", "asked"), [("cam", "cam/720p"), ("cam/audio", "cam")])
async def test_no_path_is_where_another_has_a_rendition(
    scene: Scene, there: str, asked: str
) -> None:
    await scene.registry.publish(request(there), FakePublisher())
    text = await refusal(scene, request(asked))
    assert "a rendition of cam has that URL" in text
    await scene.registry.publish(request("cam/door/source"), FakePublisher())


async def test_a_wrong_key_is_refused_and_the_right_one_taken() -> None:
    scene = Scene(paths={"live/*": PathConfig(publish_key="s3cret", ladder="copy")})
    for key in ("", "s3cre", "s3cret2"):
        assert "wrong or missing publish key" in await refusal(scene, request(key=key))
    await scene.registry.publish(request(key="s3cret"), FakePublisher())
    await scene.registry.close()


async def test_who_is_let_in_displaces_nobody_until_it_takes_the_path(scene: Scene) -> None:
    present, new = FakePublisher(), FakePublisher()
    await scene.registry.publish(request(), present)
    version = scene.registry.state_version("live/a")
    dropped = await scene.registry.admit(request(protocol="whip"))
    dropped.drop()
    claim = await scene.registry.admit(request(protocol="whip"))
    assert (present.closed, scene.registry.state_version("live/a")) == ([], version)
    claim.take(new)
    assert [code for code, _ in present.closed] == ["NetStream.Unpublish.Success"]
    assert [one.protocol for one in scene.registry.publisher_sessions()] == ["whip"]


async def test_where_nobody_may_take_over_the_first_who_begins_has_the_path() -> None:
    scene = Scene(paths={"*": PathConfig(ladder="copy", republish="reject")})
    first, second = [await scene.registry.admit(request(protocol="whip")) for _ in range(2)]
    assert scene.registry.statistics().paths == 0
    winner = FakePublisher()
    second.take(winner)
    with pytest.raises(PublishRejected, match="a publisher already"):
        first.take(FakePublisher())
    with pytest.raises(PublishRejected, match="a publisher already") as refused:
        await scene.registry.admit(request(protocol="whip"))
    assert refused.value.http_status == 409
    assert winner.closed == []
    await scene.registry.close()


async def test_who_is_let_in_keeps_no_room_and_is_told_when_there_is_none() -> None:
    scene = Scene(max_paths=1)
    claim = await scene.registry.admit(request("live/a", protocol="whip"))
    await scene.registry.publish(request("live/b"), FakePublisher())
    with pytest.raises(PublishRejected, match="1 paths already"):
        claim.take(FakePublisher())
    assert "1 paths already" in await refusal(scene, request("live/a"))
    await scene.registry.close()


async def test_a_path_that_pulls_its_own_source_takes_no_publisher() -> None:
    scene = Scene(paths={"live/a": PathConfig(source="x.mp4", source_on_demand=True)})
    assert "pulls its own source" in await refusal(scene, request())


async def test_a_backup_stands_beside_the_primary(scene: Scene) -> None:
    primary, backup = FakePublisher(), FakePublisher()
    await scene.registry.publish(request(), primary)
    await scene.registry.publish(request(role="backup"), backup)
    assert primary.closed == backup.closed == []
    on_air = scene.feed.told[-1].details["on_air"]
    assert on_air["on_air"] == "primary"
    scene.registry.publish_states()
    ranks = [one["rank"] for one in scene.feed.told[-1].details["on_air"]["publishers"]]
    assert ranks == ["primary", "backup"]


async def test_a_role_that_is_none_is_refused_with_what_there_is(scene: Scene) -> None:
    told = await rejection(scene, request(role="main"))
    assert told.description == "role='main' is neither primary nor backup"
    assert told.http_status == 400


async def test_a_pulled_path_takes_a_backup() -> None:
    scene = Scene(paths={"live/a": PathConfig(source="x.mp4", source_on_demand=True)})
    await scene.registry.publish(request(role="backup"), FakePublisher())
    await scene.registry.close()


async def test_an_operator_chooses_who_is_on_air(scene: Scene) -> None:
    assert not scene.registry.choose_on_air("live/a", Rank.SLATE)
    await scene.registry.publish(request(), FakePublisher())
    assert scene.registry.choose_on_air("live/a", Rank.SLATE)
    scene.registry.publish_states()
    assert scene.feed.told[-1].details["on_air"]["chosen"] == "slate"


async def test_a_slate_that_is_always_there_makes_its_path_exist() -> None:
    scene = Scene(paths={"live/a": PathConfig(slate="card", slate_always=True)})
    scene.registry.start()
    assert scene.registry.statistics().paths == 1
    scene.now += 3600
    await scene.registry.handle_timer()
    assert scene.registry.statistics().paths == 1
    await scene.registry.close()


async def test_the_number_of_paths_is_bounded() -> None:
    scene = Scene(max_paths=1)
    await scene.registry.publish(request("live/a"), FakePublisher())
    assert "1 paths already" in await refusal(scene, request("live/b"))
    await scene.registry.close()


async def test_tracks_that_cannot_be_packaged_cost_the_publisher_its_place(scene: Scene) -> None:
    publisher = FakePublisher()
    publication = await scene.registry.publish(request(), publisher)
    broken = Track("source", Codec.H264, 90_000, b"\xff\xff", width=16, height=16)
    publication.set_tracks([broken], RTMP_CLOCK)
    [(code, why)] = publisher.closed
    assert code == "NetStream.Publish.Rejected"
    assert why


@pytest.mark.parametrize(("codec", "advised"), [(Codec.MP3, True), (Codec.AAC, False)])
async def test_whose_sound_is_copied_nowhere_is_told_what_to_send(
    codec: Codec, advised: bool
) -> None:
    told: list[Mapping[str, Any]] = []

    def emit(
        kind: str, path: str = "", data: Mapping[str, Any] | None = None, state_version: int = 0
    ) -> None:
        if kind == "ingest.advice" and data is not None:
            told.append(data)

    scene = Scene()
    scene.now = float(START)
    config = Config(paths={"*": COPY})
    scene.registry = PathRegistry(config, scene.feed, lambda: scene.now, emit=emit)
    publisher = FakePublisher()
    publication = await scene.registry.publish(request(), publisher)
    sound = replace(AUDIO, codec=codec, codec_config=b"" if codec is Codec.MP3 else b"\x11\x90")
    publication.set_tracks([SOURCE, sound], MPEG_TS_CLOCK)
    await live_for(scene, publication, 14)
    said = [advice for advice in told if advice["code"] == "not-packaged"]
    assert bool(said) is advised
    assert not said or "-c:a aac" in str(said[0])
    assert publisher.closed == []
    await scene.registry.close()


async def test_an_on_demand_source_is_announced_as_sleeping() -> None:
    scene = Scene(paths={"cam": PathConfig(source="x.mp4", source_on_demand=True)})
    scene.registry.start()
    assert scene.told() == [("cam", "idle")]


async def test_an_on_demand_source_starts_with_a_viewer_and_stops_without(tmp_path: Path) -> None:
    settings = PathConfig(
        source=str(tmp_path / "none.mp4"), source_on_demand=True, source_idle_s=30
    )
    scene = Scene(paths={"cam": settings})
    scene.registry.start()
    scene.registry.want("cam")
    scene.now += 29
    scene.registry.set_viewers({"cam": 1})
    scene.now += 29
    await scene.registry.handle_timer()
    assert scene.registry.statistics().pulls == 1
    scene.now += 2
    await scene.registry.handle_timer()
    assert scene.registry.statistics().pulls == 0
    assert scene.told()[-1] == ("cam", "idle")


async def test_an_on_demand_path_stays_while_a_backup_publishes_on_it(tmp_path: Path) -> None:
    settings = PathConfig(source=str(tmp_path / "x.mp4"), source_on_demand=True, source_idle_s=30)
    scene = Scene(paths={"cam": settings})
    scene.registry.start()
    scene.registry.want("cam")
    backup = FakePublisher()
    publication = await scene.registry.publish(request("cam", role="backup"), backup)
    scene.now += 40
    await scene.registry.handle_timer()
    assert scene.registry.statistics().paths == 1
    publication.close("gone")
    scene.now += 40
    await scene.registry.handle_timer()
    assert scene.registry.statistics().paths == 0
    await scene.registry.close()


async def live_for(scene: Scene, publication: Publication, seconds: int) -> None:
    """Pictures, with the registry's timer after each second."""
    for _ in range(seconds):
        first = round(scene.now - START) * 90_000
        publication.write([*video(at=(first / 90_000), seconds=1)])
        scene.now += 1
        await scene.registry.handle_timer()


async def test_nothing_is_rendered_of_a_path_that_nobody_has_watched_for_a_while() -> None:
    scene = Scene()
    scene.now = float(START)
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], MPEG_TS_CLOCK)
    await live_for(scene, publication, round(REST_AFTER_S))
    assert scene.feed.texts
    scene.registry.set_viewers({"live/a": 1})
    await live_for(scene, publication, round(REST_AFTER_S))
    assert scene.feed.at_rest == set()
    await live_for(scene, publication, 2)
    assert scene.feed.at_rest == {"live/a"}
    texts = scene.feed.texts
    await live_for(scene, publication, 10)
    assert scene.feed.texts == texts
    scene.registry.want("live/a")
    assert scene.feed.at_rest == set()
    assert scene.feed.texts > texts
    await scene.registry.close()


async def test_a_path_that_ended_is_forgotten_after_its_window() -> None:
    scene = Scene(paths={"*": PathConfig(ladder="copy", linger_s=5, window_s=10)})
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.close("gone")
    scene.now += 5
    await scene.registry.handle_timer()
    assert scene.told()[-1] == ("live/a", "ended")
    assert scene.registry.statistics().paths == 1
    scene.now += 11
    await scene.registry.handle_timer()
    assert scene.registry.statistics().paths == 0


async def test_the_operator_can_close_a_publisher(scene: Scene) -> None:
    publisher = FakePublisher()
    await scene.registry.publish(request(), publisher)
    assert scene.registry.kick("live/a")
    assert publisher.closed == [("NetStream.Unpublish.Success", "closed by the operator")]
    assert not scene.registry.kick("live/b")


async def test_what_everyone_may_see_of_a_path_has_no_address_of_a_publisher(
    scene: Scene,
) -> None:
    for role, address in (("backup", "10.99.0.1:5"), ("primary", "10.99.0.2:5")):
        asked = PublishRequest("live/a", "", address, "rtmp", {"role": role})
        await scene.registry.publish(asked, FakePublisher())
    scene.registry.publish_states()
    assert [len(state.details["on_air"]["publishers"]) for state in scene.feed.told][-1] == 2
    assert "10.99" not in repr(scene.feed.told)


async def test_metrics_name_every_path(scene: Scene) -> None:
    await scene.registry.publish(request(), FakePublisher())
    metrics = scene.registry.metrics()
    assert {metric.labels.get("path", "live/a") for metric in metrics} == {"live/a"}
    names = {metric.name for metric in metrics}
    assert {f"headwater_path_{name}" for name in ("segments", "switches", "stalls")} <= names


async def test_the_time_a_path_spends_in_its_states_is_measured(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    scene.now += 3
    publication.close("gone")
    scene.now += 2
    figures = {
        (metric.name.removeprefix("headwater_path_"), *metric.labels.values()): metric.value
        for metric in scene.registry.metrics()
    }
    assert figures["state_seconds", "live/a", "probing"] == 3
    assert figures["state_seconds", "live/a", "reconnecting"] == 2
    assert figures["state_entries", "live/a", "probing"] == 1
    assert ("state_entries", "live/a", "live") not in figures
    assert figures["lifecycle", "live/a", "reconnecting"] == 1
    assert figures["lifecycle", "live/a", "probing"] == 0
    assert figures["transitions", "publisher-left"] == 1


async def test_closing_tells_publishers_that_the_server_goes(scene: Scene) -> None:
    publisher = FakePublisher()
    await scene.registry.publish(request(), publisher)
    await scene.registry.close()
    assert publisher.closed == [("NetStream.Unpublish.Success", "the server is shutting down")]
