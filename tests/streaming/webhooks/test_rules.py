"""Signatures, what answers mean, and where webhooks may go."""

from __future__ import annotations

import base64
import socket
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from streaming.config import WebhookConfig
from streaming.config_file import load_config
from streaming.errors import ConfigError
from streaming.webhooks.address_guard import AddressRefused, connect, is_public
from streaming.webhooks.payload import render_payload
from streaming.webhooks.post import post
from streaming.webhooks.signature import secret_error, sign
from streaming.webhooks.verdict import Answer, Outcome, judge, retry_after_s
from tests.streaming.events.happenings import EPOCH, happening
from tests.streaming.webhooks.receiver import SECRET, receiver

OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
RETRY_S = (5.0, 300.0, 1_800.0)


def signed(secrets: list[str], body: bytes, webhook_id: str = "1-2") -> dict[str, str]:
    timestamp = int(time.time())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, webhook_id, timestamp, body),
    }


def test_the_reference_library_accepts_our_signature_and_no_changed_body() -> None:
    body = render_payload(happening(2, text="ü").body)
    headers = signed([SECRET], body)
    assert Webhook(SECRET).verify(body, headers)["id"] == f"{EPOCH}-2"
    for wrong in (body + b" ", body.replace(b"live/a", b"live/b")):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


def test_while_secrets_are_changed_either_is_accepted() -> None:
    headers = signed([OTHER, SECRET], b"{}")
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (OTHER, SECRET):
        Webhook(secret).verify(b"{}", headers)


def test_an_ed25519_key_signs_as_v1a() -> None:
    key = Ed25519PrivateKey.generate()
    secret = "whsk_" + base64.b64encode(key.private_bytes_raw()).decode()
    version, _, value = sign([secret], "1-2", 1_700_000_000, b"{}").partition(",")
    assert version == "v1a"
    key.public_key().verify(base64.b64decode(value), b"1-2.1700000000.{}")


@pytest.mark.parametrize(
    "secret", ["", "MfKQ9r8G", "whsec_", "whsec_c2hvcnQ=", "whsec_%", "whsk_AA=="]
)
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    assert secret_error(secret)
    assert len(secret) < 7 or secret not in secret_error(secret)


def test_a_payload_is_the_same_at_each_attempt() -> None:
    body = happening(2, "path.state", state="live").body
    assert render_payload(body) == render_payload(body)
    assert render_payload(body).startswith(
        b'{"type":"path.state","timestamp":"2023-11-14T22:13:22.000Z","data":{"state":"live"'
    )


def verdict(status: int, attempt: int = 1, retry_after: str = "") -> tuple[Outcome, float, float]:
    seen = judge(Answer(status, retry_after), attempt, RETRY_S, 1e9, 0.0)
    return seen.outcome, seen.retry_in_s, seen.pause_s


def test_answers_mean_what_the_specification_says() -> None:
    assert verdict(200)[0] is verdict(204)[0] is Outcome.DELIVERED
    assert verdict(410)[0] is Outcome.DISABLED
    for status in (0, 301, 400, 404, 500):
        assert verdict(status) == (Outcome.RETRY, 5.0, 0.0)


def test_attempts_come_ever_later_and_end() -> None:
    assert [verdict(500, attempt)[1] for attempt in (1, 2, 3)] == [5.0, 300.0, 1_800.0]
    assert verdict(500, 4)[0] is Outcome.GIVEN_UP
    assert judge(Answer(500), 2, RETRY_S, 0.0, 1.0).retry_in_s == 360.0, "with jitter"


def test_the_schedule_ends_within_three_days() -> None:
    config = WebhookConfig("a", "https://a.example", (SECRET,))
    assert 2.5 * 86_400 < sum(config.retry_s) < 3 * 86_400


def test_a_receiver_that_wants_a_pause_gets_one() -> None:
    assert verdict(429, 1, "60") == (Outcome.RETRY, 60.0, 60.0)
    assert verdict(503, 2, "60") == (Outcome.RETRY, 300.0, 60.0)
    assert verdict(503, 1, "99999999") == (Outcome.RETRY, 86_400.0, 86_400.0)
    assert verdict(503, 1, formatdate(1e9 + 90, usegmt=True))[2] == 90.0
    assert [retry_after_s(text, 0.0) for text in ("", "-5", "soon", "1e9")] == [0.0] * 4


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fd00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_of_our_own_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


def test_a_name_of_a_private_address_is_not_connected_to() -> None:
    with receiver() as seen:
        with pytest.raises(AddressRefused):
            connect("localhost", seen.port, 1.0, allow_private=False)
        connect("localhost", seen.port, 1.0, allow_private=True).close()
        answer = post(seen.url, {}, b"{}", 1.0, allow_private=False)
        assert (answer.status, "AddressRefused" in answer.error) == (0, True)
        assert seen.posted == []


def test_a_name_that_changes_its_mind_after_it_was_looked_at_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: what is connected to is the address that was judged, not the name."""
    asked, tried = [], []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = ["192.168.1.7", "1.1.1.1", "::1"] if len(asked) == 1 else ["127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, port)) for each in found]

    class Unconnected:
        def __init__(self, *_: Any) -> None: ...
        def settimeout(self, _: float) -> None: ...
        def close(self) -> None: ...
        def connect(self, place: tuple[str, int]) -> None:
            tried.append(place)
            raise ConnectionRefusedError

    monkeypatch.setattr("streaming.webhooks.address_guard.socket.getaddrinfo", resolve)
    monkeypatch.setattr("streaming.webhooks.address_guard.socket.socket", Unconnected)
    with pytest.raises(ConnectionRefusedError):
        connect("rebinding.example", 443, 1.0, allow_private=False)
    assert (asked, tried) == (["rebinding.example"], [("1.1.1.1", 443)])
    with pytest.raises(AddressRefused):
        connect("rebinding.example", 443, 1.0, allow_private=False)
    assert len(asked) == 2, "each attempt looks again"
    assert len(tried) == 1


def test_a_redirect_is_a_failure_and_not_followed() -> None:
    with receiver() as seen:
        seen.answer = lambda _: (302, {"Location": seen.url})
        answer = post(seen.url, signed([SECRET], b"{}"), b"{}", 5.0, allow_private=True)
        assert answer.status == 302
        assert len(seen.posted) == 1


def test_a_connection_that_took_all_the_time_gets_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*args: Any, **kwargs: Any) -> socket.socket:
        for timer in threading.enumerate():
            if isinstance(timer, threading.Timer):
                timer.join()
        return connect(*args, **kwargs)

    monkeypatch.setattr("streaming.webhooks.post.connect", late)
    with receiver() as seen:
        answer = post(seen.url, signed([SECRET], b"{}"), b"{}", 0.05, allow_private=True)
    assert answer == Answer(0, error="no answer within 0.05 s")
    assert seen.posted == []


def test_a_receiver_has_a_bounded_time_for_its_whole_answer() -> None:
    with receiver() as seen:
        seen.delay_s = 5.0
        began = time.monotonic()
        answer = post(seen.url, signed([SECRET], b"{}"), b"{}", 0.3, allow_private=True)
        assert (answer.status, answer.error) == (0, "no answer within 0.3 s")
        assert time.monotonic() - began < 4.0


CONFIG = """
[[webhooks]]
name = "mine"
url = "https://example.org/hook"
secrets = ["{secret}"]
types = ["path.*"]
"""


def test_a_webhook_is_configured_by_a_table(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(CONFIG.format(secret=SECRET))
    (webhook,) = load_config(file, {}).webhooks
    assert (webhook.name, webhook.types, webhook.allow_private) == ("mine", ("path.*",), False)
    assert (webhook.timeout_s, webhook.max_in_flight) == (20.0, 4)


@pytest.mark.parametrize(
    "text",
    [
        CONFIG.format(secret="whsec_c2VjcmV0"),
        CONFIG.format(secret=SECRET) * 2,
        CONFIG.format(secret=SECRET).replace("https", "ftp"),
        CONFIG.format(secret=SECRET).replace("https://", "https://user:pass@"),
    ],
)
def test_an_impossible_webhook_is_refused_without_its_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config(file, {})
    assert "webhooks" in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)
    assert SECRET not in str(refused.value)
