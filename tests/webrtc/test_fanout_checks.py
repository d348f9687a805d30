"""ICE checks of viewers that are known, and what is none of theirs."""

from __future__ import annotations

import dataclasses

from tests.webrtc.fanout_stage import PASSWORD, VIDEO_SSRC, Stage, check_of, nack, picture_loss
from webrtc.fanout_events import AddressChanged, PictureLost, ViewerSummary
from webrtc.stun import BINDING_SUCCESS, parse_stun, read_xor_address


def test_checks_of_a_known_viewer_are_answered_and_keep_it_alive(stage: Stage) -> None:
    viewer = stage.join()
    stage.now_s += 3.0
    assert stage.send(viewer, check_of(viewer)) == []
    (answer,) = viewer.datagrams()
    message = parse_stun(answer)
    assert message.message_type == BINDING_SUCCESS
    assert message.is_from(PASSWORD)
    assert read_xor_address(message) == viewer.socket.getsockname()
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.last_seen_s == stage.now_s


def test_a_forged_check_is_not_answered(stage: Stage) -> None:
    viewer = stage.join()
    assert stage.send(viewer, check_of(viewer, password="wrong")) == []
    assert viewer.datagrams() == []
    assert stage.fanout.statistics().rejected == 1


def test_a_viewer_is_followed_to_the_address_that_it_nominates(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    moved, home = stage.open_socket(), viewer.socket
    viewer.socket = moved
    stage.fanout.play(viewer.number, "video", ring)
    stage.send(viewer, check_of(viewer))
    assert stage.fanout.poll(now_s=stage.now_s) == []
    stage.send(viewer, check_of(viewer, nominates=True))
    address = moved.getsockname()
    assert stage.fanout.poll(now_s=stage.now_s) == [AddressChanged(viewer.number, address, 0)]
    assert len(viewer.datagrams()) == 2
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    assert len(viewer.packets()) == 2
    stage.send(viewer, viewer.seal(picture_loss(VIDEO_SSRC)))
    assert stage.fanout.poll(now_s=stage.now_s) == [PictureLost(viewer.number, "video")]
    viewer.socket = home
    assert stage.send(viewer, viewer.seal(picture_loss(VIDEO_SSRC))) != []


def test_what_is_none_of_a_viewers_checks_and_reports_is_given_back(stage: Stage) -> None:
    viewer, stranger = stage.join(), stage.open_socket()
    home = viewer.socket.getsockname()
    handshake, media = b"\x16\xfe\xfd" + bytes(30), b"\x80\x60" + bytes(30)
    assert stage.send(viewer, handshake) == [(handshake, home)]
    assert stage.send(viewer, media) == [(media, home)]
    stranger.sendto(viewer.seal(nack(VIDEO_SSRC, 1)), stage.socket.getsockname())
    ((_, address),) = stage.fanout.receive(0, now_s=stage.now_s)
    assert address == stranger.getsockname()
    other = check_of(viewer).replace(b"ours0", b"other")
    assert stage.send(viewer, b"") == [(b"", home)]
    assert stage.send(viewer, other) == []  # its fingerprint is wrong now, and it is a viewer's


def test_an_ice_restart_changes_what_checks_are_known_by(stage: Stage) -> None:
    viewer = stage.join()
    stage.fanout.set_ice(viewer.number, "new:theirs", PASSWORD)
    assert stage.send(viewer, check_of(viewer)) != []
    viewer.settings = dataclasses.replace(viewer.settings, ice_username="new:theirs")
    assert stage.send(viewer, check_of(viewer)) == []
