"""Sender threads under comings and goings, and viewers that cannot be reached."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.webrtc.conftest import TWINS
from tests.webrtc.fanout_stage import AUDIO, VIDEO, Stage, keys_of, loopback
from webrtc.errors import LocalError
from webrtc.fanout import Fanout
from webrtc.viewer_settings import SrtpProfile, ViewerSettings

ROUNDS = 300
PATIENCE_S = 20.0
"""Until threads that send had a turn on a busy machine."""
KEYS = keys_of(SrtpProfile.AEAD_AES_128_GCM)


@pytest.fixture(params=TWINS)
def sockets(request: pytest.FixtureRequest) -> Iterator[tuple[bool, list[socket.socket]]]:
    opened = [loopback() for _ in range(9)]
    yield request.param, opened
    for one in opened:
        one.close()


@contextlib.contextmanager
def listened_to(fanout: Fanout) -> Iterator[None]:
    """Another thread reads what comes, as fast as it can; then the fan-out is closed."""
    is_over = threading.Event()

    def listen() -> None:
        while not is_over.wait(0.001):
            fanout.receive(0)
            fanout.poll()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield
    finally:
        is_over.set()
        listener.join()
        fanout.close()


def rounds(fanout: Fanout) -> Iterator[int]:
    """ROUNDS of them, or as many more as it takes until as many packets have left."""
    until, number = time.monotonic() + PATIENCE_S, 0
    while number < ROUNDS or (fanout.statistics().packets <= ROUNDS and time.monotonic() < until):
        yield number
        number += 1


def drain(opened: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while opened.recv(2048):
            pass


def test_threads_survive_whatever_comes_and_goes_while_they_send(
    sockets: tuple[bool, list[socket.socket]],
) -> None:
    pure_python, (own, *theirs) = sockets
    dice = random.Random(7)
    fanout = Fanout([own.fileno()], 2, pure_python=pure_python)
    with listened_to(fanout):
        rings = [fanout.add_ring(90_000, 200_000, 400) for _ in range(2)]
        audio = fanout.add_ring(48_000)
        viewers: dict[int, int] = {}
        for round_ in rounds(fanout):
            place = dice.randrange(len(theirs))
            if place in viewers and dice.random() < 0.4:
                fanout.remove_viewer(viewers.pop(place))
            elif place not in viewers:
                address = theirs[place].getsockname()
                settings = ViewerSettings(
                    address, 0, KEYS, KEYS, f"u{place}:v", "p", "c", VIDEO, AUDIO
                )
                viewers[place] = fanout.add_viewer(settings)
                fanout.play(viewers[place], "audio", audio, "live")
            for viewer in viewers.values():
                fanout.play(viewer, "video", dice.choice(rings), "key")
            for ring in rings:
                sizes = [dice.randrange(1, 1000) for _ in range(dice.randrange(1, 30))]
                payloads = [bytes(size) for size in sizes]
                fanout.write(ring, payloads, round_ * 3000, dice.random() < 0.2, round_ / 30)
            fanout.write(audio, [bytes(80)], round_ * 1600, True, round_ / 30)
            if dice.random() < 0.05:
                fanout.remove_ring(rings.pop(0))
                rings.append(fanout.add_ring(90_000))
            for one in theirs:
                drain(one)
        assert fanout.statistics().packets > ROUNDS
        assert fanout.statistics().failures == 0
    with pytest.raises(LocalError):
        fanout.write(rings[0], [b"x"], 0, True, 0.0)
    fanout.close()


def test_a_viewer_that_cannot_be_reached_loses_its_pictures_and_costs_nobody_theirs(
    stage: Stage,
) -> None:
    reached, ring = stage.join(), stage.fanout.add_ring(90_000)
    # broadcasting is refused to a socket that has not asked for it
    settings = dataclasses.replace(
        reached.settings, address=("255.255.255.255", 9), ice_username="elsewhere:x"
    )
    lost = stage.fanout.add_viewer(settings, now_s=stage.now_s)
    for viewer in (lost, reached.number):
        stage.fanout.play(viewer, "video", ring)
    for number in range(6):
        stage.write_frame(ring, number, is_key=number % 3 == 0)
        stage.step(0.033)
    assert len(reached.packets()) == 12
    statistics = stage.fanout.statistics()
    assert statistics.skipped == 2  # once for each group of pictures, not for each picture
    assert statistics.failures >= 2


def test_threads_that_send_are_known_by_the_systems_numbers(
    sockets: tuple[bool, list[socket.socket]],
) -> None:
    pure_python, opened = sockets
    fanout = Fanout([opened[0].fileno()], 2, pure_python=pure_python)
    try:
        ids = fanout.thread_ids()
        assert len(set(ids)) == len(ids) == fanout.statistics().threads
        assert {str(one) for one in ids} <= set(os.listdir("/proc/self/task"))
    finally:
        fanout.close()
    assert fanout.thread_ids() == ()


def test_a_fan_out_that_is_stepped_has_no_threads(
    sockets: tuple[bool, list[socket.socket]],
) -> None:
    pure_python, opened = sockets
    with contextlib.closing(Fanout([opened[0].fileno()], 0, pure_python=pure_python)) as fanout:
        assert fanout.thread_ids() == ()
