"""Publish keys: what is right, what it costs, and what it costs to be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from streaming.auth import publish_keys
from streaming.auth.failure_limit import (
    MOST_ADDRESSES,
    MOST_FAILURES,
    REFILL_S,
    FailureLimit,
    network_of,
)
from streaming.auth.publish_keys import PublishKeys, check_hash, hash_key, new_key
from streaming.config_paths import PathConfig
from streaming.errors import ConfigError, PublishRejected
from streaming.ingest.source import PublishRequest

HASHES = hash_key("first"), hash_key("second")
HASHED = PathConfig(publish_keys=HASHES)


class Door:
    """Keys with the test's own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.keys = PublishKeys(lambda: self.now)
        self.reason = ""

    async def ask(self, key: str, settings: PathConfig = HASHED, remote: str = "10.0.0.1:5") -> int:
        """0 where the key is right, else the HTTP status of the refusal."""
        try:
            await self.keys.check(PublishRequest("live/a", key, remote, "rtmp"), settings)
        except PublishRejected as refusal:
            self.reason = str(refusal)
            return refusal.http_status or 0
        return 0


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.keys.close()


@pytest.mark.parametrize("key", ["first", "second"])
async def test_each_of_the_hashed_keys_is_right(door: Door, key: str) -> None:
    assert await door.ask(key) == 0


@pytest.mark.parametrize(
    "key",
    ["", "First", "first ", "third", HASHES[0], "x" * 100_000],
    ids=["none", "capital", "space", "other", "hash", "endless"],  # the same in every process
)
async def test_everything_else_is_wrong(door: Door, key: str) -> None:
    assert await door.ask(key) == 401
    assert door.reason == "wrong or missing publish key for live/a"


async def test_a_plain_key_is_right_beside_hashed_ones(door: Door) -> None:
    settings = PathConfig(publish_key="plain", publish_keys=HASHES)
    assert [await door.ask(key, settings) for key in ("plain", "second", "no")] == [0, 0, 401]


async def test_plain_keys_are_compared_in_constant_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert await door.ask("whatever", PathConfig(publish_key="plain")) == 0, "nothing else decides"
    assert compared == [(b"plain", b"whatever")]


async def test_without_keys_everyone_is_let_in(door: Door) -> None:
    assert await door.ask("", PathConfig()) == 0


async def test_a_key_that_was_right_is_not_computed_again(door: Door) -> None:
    assert [await door.ask("second") for _ in range(5)] == [0] * 5
    assert door.keys.verifications == 1


async def test_a_remembered_key_is_wrong_once_its_hash_has_left_the_configuration(
    door: Door,
) -> None:
    await door.ask("first")
    assert await door.ask("first", PathConfig(publish_keys=HASHES[1:])) == 401


async def test_nothing_in_memory_is_the_key(door: Door) -> None:
    key = new_key()
    assert await door.ask(key, PathConfig(publish_keys=(hash_key(key),))) == 0
    assert key not in repr(vars(door.keys))


async def test_who_is_wrong_too_often_is_not_heard_for_a_while(door: Door) -> None:
    told = [await door.ask("wrong") for _ in range(MOST_FAILURES + 3)]
    assert told == [401] * MOST_FAILURES + [429] * 3
    assert await door.ask("first") == 429
    assert await door.ask("first", remote="10.0.0.2:5") == 0
    door.now += REFILL_S
    assert await door.ask("first") == 0


async def test_the_event_loop_goes_on_while_a_key_is_verified(door: Door) -> None:
    asking = asyncio.create_task(door.ask("second"))
    turns = 0
    while not asking.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10  # a verification on the loop would have been over at the first turn


async def test_more_than_the_thread_can_do_is_refused_at_once(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_keys, "MOST_WAITING", 2)
    asked = (door.ask(key, remote=f"10.0.1.{n}:5") for n, key in enumerate(["a", "b", "c", "d"]))
    assert sorted(await asyncio.gather(*asked)) == [401, 401, 503, 503]


@pytest.mark.parametrize("text", ["", "first", "$argon2id$v=19$m=65536", "$2b$12$abcdefghijk"])
def test_what_is_no_hash_is_refused_with_the_command_that_makes_one(text: str) -> None:
    with pytest.raises(ConfigError, match="headwater key new") as refused:
        check_hash(text)
    assert not text or text not in str(refused.value)


def test_a_hash_that_needs_gigabytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="KiB"):
        check_hash("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo")


@pytest.mark.parametrize(
    ("remote", "network"),
    [
        ("10.0.0.1:5", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("[2001:db8::1]:5", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[::ffff:10.0.0.1]:5", "10.0.0.1"),
        ("", ""),
    ],
)
def test_an_address_without_its_port_and_a_network_of_ipv6_count_as_one(
    remote: str, network: str
) -> None:
    assert network_of(remote) == network


def test_the_memory_for_addresses_is_bounded() -> None:
    limit = FailureLimit()
    for number in range(MOST_ADDRESSES + 100):
        limit.fail(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(limit) == MOST_ADDRESSES
