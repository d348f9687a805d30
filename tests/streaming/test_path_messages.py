"""Metadata and chat in the main process: from a command to event, emsg and date range."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from segmenter.fmp4.box_tree import read_boxes, records
from segmenter.fmp4.fragment_records import EventMessage
from segmenter.media import Payload
from segmenter.segment import Part
from streaming.command_messages import SendMessage
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import MessageRefused
from streaming.events.event import EventId, LoggedEvent
from streaming.events.events import Events
from streaming.live_state.live_state import LiveState
from streaming.media_store import MediaStore
from streaming.message_limits import MOST_METADATA_BYTES, PATH_BURST
from streaming.path_messages import (
    PathMessages,
    emsg_id,
    logged_messages,
)
from streaming.path_registry import PathRegistry
from streaming.rtc.messages import PathMessage
from streaming.server_metrics import message_metrics
from streaming.shelf_feed import ShelfFeed
from tests.segmenter.stage import AUDIO, SOURCE, START, video
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request
from tests.streaming.test_restart import CLOCK, COPY, Machine

TALKATIVE = PathConfig(ladder="copy", audio="copy", viewer_chat=True)


class RecordingFeed(ShelfFeed):
    """Keeps the bytes of all parts beside putting them in the store."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(store)
        self.parts: list[bytes] = []

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[Payload]
    ) -> bool:
        self.parts.append(b"".join(pieces))
        return super().put_part(path, rendition, content_type, part, pieces)


class Studio(Machine):
    """An origin with a log, to whose paths messages are sent."""

    def boot(self, name: str = "live/*") -> None:
        store = MediaStore()
        self.feed = RecordingFeed(store)
        self.live_state = LiveState(str(self.root), {}, store.open_reader())
        self.events = Events(self.live_state.root, lambda: self.now)
        config = Config(paths={name: self.settings})
        self.registry = PathRegistry(
            config,
            self.feed,
            lambda: self.now,
            self.live_state,
            emit=self.events.emit,
            messages=logged_messages(self.events.log.entries),
        )
        self.registry.start()
        self.events.start({})
        self.messages = PathMessages(self.registry.spoken, self.events.emit)

    async def reboot(self, away_s: float = 1.0, name: str = "live/*") -> None:
        self.events.close()
        await super().reboot(away_s, name)

    def send(self, **wish: Any) -> dict[str, Any]:
        message = {"path": "live/a", "kind": "metadata", "data": b'{"score":3}', **wish}
        return self.messages.send(SendMessage(**message), self.now)

    def chat(self, text: str = "hello", **wish: Any) -> dict[str, Any]:
        return self.send(kind="chat", data=b"", text=text, **wish)

    @property
    def media(self) -> bytes:
        """Of all renditions, since the start of this origin."""
        assert isinstance(self.feed, RecordingFeed)
        return b"".join(self.feed.parts)


@pytest.fixture
async def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def ranges(playlist: str) -> list[str]:
    return re.findall(r"^#EXT-X-DATERANGE:.*", playlist, re.MULTILINE)


def told(studio: Studio, kind: str) -> list[LoggedEvent]:
    studio.events.close()
    return [entry for entry in studio.events.log.entries if entry.event.type == kind]


async def test_a_message_is_an_event_an_emsg_box_and_a_date_range_of_the_same_json(
    studio: Studio,
) -> None:
    publication = await studio.publish()
    studio.push(publication, 4)
    sent = studio.send()
    studio.push(publication, 3)
    (line,) = ranges(studio.text())
    (event,) = told(studio, "metadata")
    assert (event.event.id, event.event.ts) == (sent["id"], sent["ts"])
    assert event.event.data == {"media_time_ms": sent["media_time_ms"], "data": {"score": 3}}
    assert 3_900 <= sent["media_time_ms"] - 1000 * START <= 4_100
    assert f'ID="{sent["id"]}"' in line
    found = re.search(r'X-HEADWATER-MESSAGE="([^"]*)"', line)
    assert found
    assert unquote(found[1]).encode() == event.body
    assert studio.media.count(event.body) == 2


async def test_the_number_of_an_emsg_follows_from_the_id_of_its_event(studio: Studio) -> None:
    publication = await studio.publish()
    studio.push(publication, 4)
    studio.chat("so")
    studio.push(publication, 1)
    (event,) = told(studio, "chat")
    box, same_of_audio = records(read_boxes(studio.media), EventMessage)
    assert same_of_audio.event_id == box.event_id
    assert box.event_id == (event.id.epoch + event.id.number) % (1 << 32)
    assert (box.scheme_id_uri, box.message) == ("urn:headwater:chat:2026", event.body)


def test_numbers_of_two_epochs_differ() -> None:
    first = {emsg_id(EventId(1_800_000_000_000, number)) for number in range(1, 900)}
    later = {emsg_id(EventId(1_800_000_001_000, number)) for number in range(1, 900)}
    assert len(first | later) == 2 * 899


async def test_while_nobody_is_on_air_a_message_has_no_media_time(studio: Studio) -> None:
    publication = await studio.publish()
    assert studio.send()["media_time_ms"] is None
    studio.push(publication, 4)
    assert studio.send()["media_time_ms"] is not None
    publication.close("gone")
    assert studio.chat()["media_time_ms"] is None
    assert len(ranges(studio.text())) <= 1
    assert len(told(studio, "metadata")) == 2


async def test_after_a_kill_playlists_list_what_they_listed_and_media_have_it_still(
    studio: Studio,
) -> None:
    publication = await studio.publish()
    studio.push(publication, 4)
    studio.send()
    studio.push(publication, 4)
    studio.chat("what a goal")
    studio.push(publication, 3)
    before = ranges(studio.text())
    assert len(before) == 2
    await studio.reboot()
    assert ranges(studio.text()) == before
    assert b"what a goal" in studio.media
    after = studio.send()
    assert after["media_time_ms"] is None
    await studio.registry.close()


async def test_a_publisher_that_comes_back_finds_the_messages_where_they_were(
    studio: Studio,
) -> None:
    publication = await studio.publish()
    studio.push(publication, 4)
    studio.send()
    studio.push(publication, 4)
    before = ranges(studio.text())
    publication.close("network")
    studio.now += 2
    again = await studio.registry.publish(request(), FakePublisher())
    again.set_tracks([SOURCE, AUDIO], CLOCK)
    studio.push(again, 4)
    assert ranges(studio.text()) == before


async def test_viewers_by_webrtc_are_told_the_event(studio: Studio) -> None:
    class Outlet:
        buffered_bytes = 0

        def __init__(self) -> None:
            self.sent: list[object] = []

        def send(self, message: object) -> None:
            self.sent.append(message)

    outlet = Outlet()
    studio.registry._paths._webrtc = outlet
    publication = await studio.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], CLOCK)
    publication.write(video(seconds=1))
    tap = studio.registry.tap("live/a")
    assert tap is not None
    tap.watch()
    studio.chat()
    (event,) = told(studio, "chat")
    assert [m for m in outlet.sent if isinstance(m, PathMessage)] == [
        PathMessage("live/a", event.body)
    ]
    await studio.registry.close()


async def test_viewers_may_chat_where_the_path_allows_it_and_nothing_else(
    studio: Studio,
) -> None:
    await studio.publish()
    with pytest.raises(MessageRefused) as refused:
        studio.chat(by_viewer=True)
    assert refused.value.http_status == 403
    studio.registry.apply(Config(paths={"live/*": TALKATIVE}))
    studio.chat("by a viewer", sender="Ann", by_viewer=True)
    with pytest.raises(MessageRefused) as refused:
        studio.send(by_viewer=True)
    assert refused.value.http_status == 403
    (event,) = told(studio, "chat")
    assert event.event.data == {
        "media_time_ms": None, "text": "by a viewer", "sender": "Ann", "by": "viewer",
    }  # fmt: skip


async def test_a_crowd_of_viewers_does_not_silence_the_application(studio: Studio) -> None:
    studio.registry.apply(Config(paths={"live/*": TALKATIVE}))
    await studio.publish()
    for _ in range(int(PATH_BURST)):
        studio.chat(by_viewer=True)
    with pytest.raises(MessageRefused) as refused:
        studio.chat(by_viewer=True)
    assert refused.value.http_status == 429
    studio.chat("please be kind")
    studio.send()


async def test_what_is_too_long_too_much_or_for_nobody_is_refused_and_counted(
    studio: Studio,
) -> None:
    await studio.publish()
    long = json.dumps({"a": "x" * MOST_METADATA_BYTES}).encode()
    for wish, status in (({"path": "live/b"}, 404), ({"data": long}, 413)):
        with pytest.raises(MessageRefused) as refused:
            studio.send(**wish)
        assert refused.value.http_status == status
    for _ in range(int(PATH_BURST)):
        studio.chat()
    with pytest.raises(MessageRefused) as refused:
        studio.chat()
    assert refused.value.http_status == 429
    studio.send()
    studio.now += 1
    studio.chat()
    seen = studio.messages.statistics()
    assert seen.sent == {"metadata": 1, "chat": PATH_BURST + 1}
    assert seen.refused == {404: 1, 413: 1, 429: 1}
    metrics = {(m.name, *m.labels.values()): m.value for m in message_metrics(seen)}
    assert metrics["headwater_messages_sent", "chat"] == PATH_BURST + 1
    assert metrics["headwater_messages_refused", "429"] == 1
    assert COPY.viewer_chat is False
