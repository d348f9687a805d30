"""What viewers want together, and what they are sent."""

from __future__ import annotations

from typing import cast

from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from tests.webrtc.signalling_stage import Stage
from tests.webrtc.test_subscription import OPUS
from webrtc.events import KeyFrameWanted, RenditionsWanted, SessionClosed
from webrtc.fanout_events import AddressChanged, Bye, PictureLost
from webrtc.ice import Flow
from webrtc.rendition import Rendition
from webrtc.subscriber import Subscriber


async def test_what_the_fan_out_says_reaches_the_session() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    session = stage.signalling.session(answer.session_id)
    stage.fanout.events = [AddressChanged(1, ("198.51.100.7", 4), 0)]
    stage.pass_time(1.0)
    assert session.flow == Flow(0, "198.51.100.7", 4)
    assert stage.port.table.endpoint_of(Flow(0, "198.51.100.7", 4)) is session
    stage.fanout.events = [Bye(1)]
    stage.pass_time(1.0)
    assert SessionClosed(answer.session_id, "live", "the viewer has left") in stage.events
    await stage.signalling.wait_closed()


async def test_many_lost_pictures_are_one_request_for_a_key_frame() -> None:
    stage = Stage()
    stage.go_live()
    answers = [stage.subscribe() for _ in range(3)]
    for port, answer in enumerate(answers):
        stage.check(answer.session_id, Flow(0, "192.0.2.7", 1 + port))
        stage.connect(answer.session_id)
    stage.pass_time(1.0)
    stage.events.clear()
    stage.fanout.events = [PictureLost(viewer, "video") for viewer in (1, 2, 3)]
    stage.pass_time(0.1)
    stage.fanout.events = [PictureLost(1, "video")]
    stage.pass_time(0.1)
    assert stage.events == [KeyFrameWanted("live", SOURCE.name)]
    stage.pass_time(0.5)
    assert stage.events == [KeyFrameWanted("live", SOURCE.name)] * 2
    await stage.signalling.wait_closed()


async def test_renditions_are_wanted_while_somebody_connected_is_to_be_sent_them() -> None:
    stage = Stage()
    stage.signalling.announce("live", [Rendition(SOURCE, 1, 1), Rendition(OPUS, None, 1)])
    answer = stage.subscribe()
    stage.pass_time(0.1)
    assert stage.events == []
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    stage.pass_time(0.1)
    assert stage.events[-1] == RenditionsWanted("live", frozenset({SOURCE.name, OPUS.name}))
    assert ("play", 1, "audio", 2) not in stage.fanout.calls
    stage.signalling.announce("live", [Rendition(SOURCE, 1, 1), Rendition(OPUS, 2, 1)])
    assert stage.fanout.calls[-1] == ("play", 1, "audio", 2)
    stage.signalling.close(answer.session_id)
    stage.pass_time(0.1)
    assert stage.events[-1] == RenditionsWanted("live", frozenset())
    await stage.signalling.wait_closed()


async def test_a_viewer_may_choose_its_rendition() -> None:
    stage = Stage()
    stage.signalling.announce(
        "live", [Rendition(SOURCE, 1, 3_000_000), Rendition(SMALL, 2, 800_000)]
    )
    answer = stage.subscribe()
    stage.check(answer.session_id)
    role = stage.connect(answer.session_id)
    assert role.choices == (SMALL.name, SOURCE.name)
    assert stage.fanout.calls[-1] == ("play", 1, "video", 1)
    assert role.choose(SMALL.name)
    assert role.statistics().playing == {"video": SMALL.name}
    assert (role.statistics().chosen, role.statistics().switches) == (SMALL.name, 1)
    assert stage.fanout.calls[-1] == ("play", 1, "video", 2)
    assert not role.choose(AUDIO.name)
    await stage.signalling.wait_closed()


async def test_what_is_not_there_any_more_is_not_sent() -> None:
    stage = Stage()
    stage.go_live()
    answer = stage.subscribe()
    stage.check(answer.session_id)
    stage.connect(answer.session_id)
    stage.go_live(SOURCE)
    assert stage.fanout.calls[-1] == ("pause", 1, "audio")
    await stage.signalling.wait_closed()


def test_what_is_there_comes_before_what_could_be_made() -> None:
    stage = Stage()
    stage.signalling.announce("live", [Rendition(SOURCE, None, 2_000_000), Rendition(SMALL, 2, 1)])
    answer = stage.subscribe()
    role = stage.signalling.session(answer.session_id).role
    assert cast(Subscriber, role).playing["video"].name == SMALL.name
