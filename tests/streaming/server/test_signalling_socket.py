"""Signalling by WebSocket, with a WebRTC process that the test plays."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, SignalRequest
from streaming.server.signal_relay import SignalRelay
from streaming.server.signalling_socket import BURST, MOST_MESSAGE_BYTES, MOST_SESSIONS
from tests.streaming.server.conftest import Serve, Served, until


class Peer:
    """Answers offers with sessions s1, s2 …; everything else as the test says."""

    def __init__(self) -> None:
        self.asked: list[SignalRequest] = []
        self.answer = SignalAnswer(0, 204)
        self.sessions = 0
        self.relay = SignalRelay(self._ask)

    def _ask(self, request: SignalRequest) -> None:
        self.asked.append(request)
        told = self.answer
        if request.verb in ("view", "publish"):
            self.sessions += 1
            told = SignalAnswer(0, 201, "v=0 answer", {}, f"s{self.sessions}")
        if request.verb == "offer" or request.body == "v=0 odd":
            status = 200 if request.verb == "offer" else 406
            told = SignalAnswer(0, status, "v=0 ours", {"Link": "<turn:x>"}, "o1")
        answer = SignalAnswer(
            request.id, told.status, told.body, told.headers, told.session, told.is_json
        )
        asyncio.get_running_loop().call_soon(self.relay.receive, answer)

    @property
    def verbs(self) -> list[str]:
        return [request.verb for request in self.asked]


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
async def served(serve: Serve, peer: Peer) -> Served:
    return await serve(signals=peer.relay, webrtc=True)


def connect(served: Served, **headers: str) -> Any:
    url = f"ws://127.0.0.1:{served.port}/api/v1/signalling"
    return served.client.ws_connect(url, headers=headers)


async def join(socket: aiohttp.ClientWebSocketResponse, path: str = "live/a") -> dict[str, Any]:
    await socket.send_json({"type": "join", "id": 1, "path": path, "sdp": "v=0", "key": "k"})
    answer: dict[str, Any] = await socket.receive_json()
    return answer


async def test_an_offer_is_answered_and_names_its_session(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        answer = await join(socket)
    assert answer == {
        "type": "answer", "id": 1, "session": "s1", "sdp": "v=0 answer", "iceServers": "",
    }  # fmt: skip
    asked = peer.asked[0]
    assert (asked.verb, asked.path, asked.body, asked.key) == ("view", "live/a", "v=0", "k")


@pytest.mark.parametrize("sdp", ["", "v=0 odd"], ids=["asked for", "in a refusal's place"])
async def test_offers_go_the_other_way_too(served: Served, peer: Peer, sdp: str) -> None:
    async with connect(served) as socket:
        await socket.send_json({"type": "join", "id": 1, "path": "live/a", "sdp": sdp})
        assert await socket.receive_json() == {
            "type": "offer", "id": 1, "session": "o1", "sdp": "v=0 ours", "iceServers": "<turn:x>",
        }  # fmt: skip
        peer.answer = SignalAnswer(0, 201, "", {}, "o1")
        await socket.send_json({"type": "answer", "id": 2, "session": "o1", "sdp": "v=0 theirs"})
        assert await socket.receive_json() == {"type": "done", "id": 2, "result": None}
    asked = peer.asked[1]
    assert (asked.verb, asked.path, asked.body) == ("answer", "live/a", "v=0 theirs")
    assert asked.remote == "127.0.0.1"


async def test_nobody_can_publish_without_an_offer(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        peer.answer = SignalAnswer(0, 400, "not SDP")
        await socket.send_json({"type": "join", "path": "live/a", "role": "publish"})
        await socket.receive_json()
    assert (peer.asked[0].verb, peer.asked[0].rank) == ("publish", "")


async def test_a_publisher_may_be_a_backup(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        peer.answer = SignalAnswer(0, 400, "not SDP")
        join = {"type": "join", "path": "live/a", "role": "publish", "rank": "backup"}
        await socket.send_json(join)
        await socket.receive_json()
        await socket.send_json({**join, "rank": "slate"})
        assert (await socket.receive_json())["status"] == 400
    assert [asked.rank for asked in peer.asked if asked.verb == "publish"] == ["backup"]


async def test_several_sessions_share_a_connection(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        first, second = await join(socket), await join(socket, "live/b")
        assert [first["session"], second["session"]] == ["s1", "s2"]
        peer.answer = SignalAnswer(0, 200, '{"active":"360p"}', is_json=True)
        await socket.send_json({"type": "layer", "id": 2, "session": "s2", "encodingId": "360p"})
        assert await socket.receive_json() == {
            "type": "done", "id": 2, "result": {"active": "360p"},
        }  # fmt: skip
    assert (peer.asked[2].path, peer.asked[2].body) == ("live/b", '{"encodingId":"360p"}')


async def test_a_restart_is_told_from_a_trickle(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        await join(socket)
        await socket.send_json({"type": "trickle", "id": 2, "session": "s1", "fragment": "a=x"})
        assert (await socket.receive_json())["type"] == "done"
        peer.answer = SignalAnswer(0, 200, "a=ice-ufrag:y")
        await socket.send_json({"type": "trickle", "id": 3, "session": "s1", "fragment": "a=x"})
        assert await socket.receive_json() == {
            "type": "restarted", "id": 3, "fragment": "a=ice-ufrag:y",
        }  # fmt: skip


async def test_events_of_a_session_reach_its_connection_alone(served: Served, peer: Peer) -> None:
    async with connect(served) as socket, connect(served) as other:
        await join(socket)
        await join(other)
        channel = peer.asked[0].channel
        peer.relay.tell(SignalEvent(channel, "s1", "connected"))
        peer.relay.tell(SignalEvent(channel, "s1", "layers", '{"active":"360p"}'))
        peer.relay.tell(SignalEvent(channel, "s1", "closed", "the stream has ended"))
        told = [await socket.receive_json() for _ in range(3)]
        assert [one["kind"] for one in told] == ["connected", "layers", "closed"]
        assert told[1]["detail"] == {"active": "360p"}
        assert told[2]["detail"] == "the stream has ended"
        await other.send_json({"type": "ping", "id": 9})
        assert await other.receive_json() == {"type": "pong", "id": 9}


async def test_a_connection_that_was_lost_leaves_its_sessions_and_another_resumes_them(
    served: Served, peer: Peer
) -> None:
    async with connect(served) as socket:
        await join(socket)
        socket._response.connection.transport.abort()
    async with connect(served) as again:
        sessions = [{"session": "s1", "path": "live/a"}]
        await again.send_json({"type": "resume", "id": 1, "sessions": sessions})
        assert await again.receive_json() == {"type": "resumed", "id": 1, "sessions": ["s1"]}
        assert peer.verbs == ["view", "attach"]
        assert peer.asked[1].channel != peer.asked[0].channel
        await again.send_json({"type": "mute", "id": 2, "session": "s1", "kind": "audio"})
        assert (await again.receive_json())["type"] == "done"


async def test_sessions_that_ended_meanwhile_are_not_resumed(served: Served, peer: Peer) -> None:
    peer.answer = SignalAnswer(0, 404, "there is no such session")
    async with connect(served) as socket:
        sessions = [{"session": "s1", "path": "live/a"}]
        await socket.send_json({"type": "resume", "sessions": sessions})
        assert (await socket.receive_json())["sessions"] == []


async def test_whoever_says_goodbye_ends_the_sessions(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        await join(socket)
        await socket.close()
    await until(lambda: peer.verbs == ["view", "delete"])


async def test_sessions_of_others_cannot_be_touched(served: Served, peer: Peer) -> None:
    async with connect(served) as socket:
        await socket.send_json({"type": "leave", "id": 1, "session": "s1"})
        assert (await socket.receive_json())["status"] == 404
    assert peer.asked == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"type":"nix"}', '{"type":"join"}', '{"type":"ping","more":1}', "\ud800"],
)
async def test_nonsense_is_answered_with_400_and_the_connection_goes_on(
    served: Served, text: str
) -> None:
    async with connect(served) as socket:
        await socket.send_str(text.encode("utf-8", "replace").decode())
        assert (await socket.receive_json())["status"] == 400
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"


async def test_what_cannot_be_read_is_answered_with_its_id_where_it_has_one(served: Served) -> None:
    async with connect(served) as socket:
        for nonsense in ({"type": "no such thing"}, {"type": "mute", "kind": "smell"}, {}):
            await socket.send_json({**nonsense, "id": 7})
            answer = await socket.receive_json()
            assert (answer["type"], answer["status"], answer["id"]) == ("error", 400, 7)
        await socket.send_json({"type": "ping", "id": [7]})
        assert (await socket.receive_json())["id"] is None


async def test_a_rendition_that_is_not_there_costs_nobody_the_session(
    served: Served, peer: Peer
) -> None:
    async with connect(served) as socket:
        await join(socket)
        peer.answer = SignalAnswer(0, 404, "there is no 'x' to choose")
        await socket.send_json({"type": "layer", "session": "s1", "encodingId": "x"})
        assert (await socket.receive_json())["detail"] == "there is no 'x' to choose"
        peer.answer = SignalAnswer(0, 200)
        await socket.send_json({"type": "leave", "session": "s1"})
        assert (await socket.receive_json())["type"] == "done"
    assert peer.verbs == ["view", "choose", "delete"]


async def test_offers_of_ours_that_nobody_answers_count_for_thirty_seconds(
    served: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.server.signalling_socket.MOST_SESSIONS", 1)
    async with connect(served) as socket:
        for wait_s, status in ((30.0, 429), (0.0, None)):
            monkeypatch.setattr("streaming.server.signalling_socket.OFFER_S", wait_s)
            await socket.send_json({"type": "join", "path": "live/a"})
            assert (await socket.receive_json())["type"] == "offer"
            await socket.send_json({"type": "join", "path": "live/a"})
            assert (await socket.receive_json()).get("status") == status
            await socket.send_json({"type": "leave", "session": "o1"})
            await socket.receive_json()


async def test_a_message_beyond_the_bound_ends_the_connection(served: Served) -> None:
    async with connect(served) as socket:
        await socket.send_str("x" * (MOST_MESSAGE_BYTES + 1))
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)


async def test_a_flood_of_messages_ends_the_connection(served: Served) -> None:
    async with connect(served) as socket:
        for _ in range(int(BURST) + 50):
            await socket.send_str('{"type":"ping"}')
        statuses = [m.json().get("status") async for m in socket]
        assert statuses[-1] == 429
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_binary_message_ends_the_connection_and_says_that_it_was_that(
    served: Served, peer: Peer
) -> None:
    async with connect(served) as socket:
        await join(socket)
        await socket.send_bytes(b"\0")
        async for _ in socket:
            pass
        assert socket.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA
    assert "delete" not in [asked.verb for asked in peer.asked], "the session may be resumed"


async def test_sessions_of_one_connection_are_bounded(served: Served) -> None:
    async with connect(served) as socket:
        for _ in range(MOST_SESSIONS):
            await join(socket)
        assert (await join(socket))["status"] == 429


async def test_a_page_of_a_web_origin_that_is_not_allowed_cannot_connect(
    serve: Serve, peer: Peer
) -> None:
    served = await serve(signals=peer.relay, webrtc=True, allow_origins=("https://ours.example",))
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        async with connect(served, Origin="https://evil.example"):
            pass
    async with connect(served, Origin="https://ours.example"):
        pass
    async with connect(served, Origin=f"http://127.0.0.1:{served.port}"):
        pass


async def test_a_plain_get_is_told_to_upgrade(served: Served) -> None:
    response, _ = await served.get("/api/v1/signalling")
    assert response.status == 426
