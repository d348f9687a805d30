"""A whole origin under command: keys, kicks, sources, reloads, and no secret told anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streaming.auth.api_tokens import hash_token, new_token
from streaming.auth.publish_keys import hash_key, new_key
from tests.api_fuzz import find_nothing
from tests.described import Described
from tests.interop.origin_process import (
    CONFIG_NAME,
    READY_S,
    OriginProcess,
    origin_process,
)
from tests.streaming.webhooks.receiver import receiver

pytestmark = pytest.mark.slow

SOURCE = "test:?width=320&height=180&fps=10&bitrate_kbps=200"
ADMIN, KEY, PLAIN = new_token(), new_key(), "planted-plain-key"
VIEW_SECRET = "planted-view-secret-of-over-32-characters"
SOURCE_PASSWORD = "planted-source-password"
TURN_SECRET = "planted-turn-secret"
SET_PASSWORD = "planted-password-set-by-the-api"
SET_KEY = "planted-key-set-by-the-api"
WEBHOOK_URL = "http://127.0.0.1:9/planted-webhook-path?key=planted-webhook-query"
WEBHOOK_SECRET = "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC0xMjM0NTY="
WRONG_KEY = "planted-key-of-somebody-who-is-wrong"
HOOK_SECRET = "planted-hook-secret"
PLANTED = (
    ADMIN, KEY, PLAIN, VIEW_SECRET, SOURCE_PASSWORD, TURN_SECRET, hash_token(ADMIN), SET_PASSWORD,
    SET_KEY, "planted-webhook-query", WEBHOOK_SECRET, WRONG_KEY, HOOK_SECRET, "planted-hook-query",
    "planted-jwks-query",
)  # fmt: skip

CONFIG = f"""
log_level = "debug"
[auth_hook]
url = "http://127.0.0.1:9/hook?key=planted-hook-query"
secret = "{HOOK_SECRET}"
actions = ["read", "whep"]
fail_open = ["read", "whep"]
[api]
tokens = [{{ name = "tests", hash = "{hash_token(ADMIN)}", scope = "admin" }}]
[view]
keys = [{{ id = "hs", algorithm = "HS256", secret = "{VIEW_SECRET}" }}]
jwks = "http://127.0.0.1:9/keys?key=planted-jwks-query"
[webrtc]
ice_servers = [{{ urls = ["turn:127.0.0.1:9"], secret = "{TURN_SECRET}" }}]
[paths."live/*"]
ladder = "copy"
publish_keys = ['{hash_key(KEY)}']
[paths."plain/*"]
ladder = "copy"
publish_key = "{PLAIN}"
[paths."vip/*"]
view = "token"
ladder = "copy"
[paths.camera]
source = "rtsp://me:{SOURCE_PASSWORD}@127.0.0.1:9/x"
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


def headwater(*arguments: str) -> subprocess.Popen[bytes]:
    script = "from streaming.__main__ import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@contextlib.contextmanager
def pushing(target: str) -> Iterator[subprocess.Popen[bytes]]:
    push = headwater("push", SOURCE, target)
    try:
        yield push
    finally:
        push.kill()
        push.communicate()


def call(origin: OriginProcess, method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Status and body of an answer, which is as the origin's own document describes it."""
    status, told = ask(origin, method, url, body)
    described = Described(json.loads(origin.get("/api/v1/openapi.json")))
    described.check(method, f"/api/v1{url}", status, told)
    return status, told


def ask(origin: OriginProcess, method: str, url: str, body: Any) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        origin.url("/api/v1" + url), data=data, method=method, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_hashed_key_lets_publish_and_a_wrong_one_is_told_why(origin: OriginProcess) -> None:
    with pushing(origin.rtmp_url(f"live/a?key={KEY}")):
        origin.wait_path("live/a", "live")
    refused = headwater("push", SOURCE, origin.rtmp_url("live/b?key=wrong"))
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode != 0
    assert b"wrong or missing publish key" in b" ".join(output.split())


def test_a_publisher_is_kicked_by_the_command_line(origin: OriginProcess) -> None:
    with pushing(origin.rtmp_url(f"live/k?key={KEY}")) as push:
        origin.wait_path("live/k", "live")
        version = call(origin, "GET", "/paths/live/k")[1]["details"]["state_version"]
        stale = call_kick(origin, "live/k", version + 7)
        assert stale.returncode == 3
        kicked = call_kick(origin, "live/k", version)
        assert kicked.returncode == 0, kicked.args
        assert b"closed by the operator" in b" ".join(push.communicate(timeout=60)[0].split())


def call_kick(origin: OriginProcess, path: str, version: int) -> subprocess.Popen[bytes]:
    options = ["--url", origin.url(""), "--token", ADMIN, "--if-match", str(version)]
    done = headwater("kick", path, *options)
    done.communicate(timeout=60)
    return done


def test_a_reload_touches_what_has_changed_alone(origin: OriginProcess) -> None:
    file = origin.log_file.with_name(CONFIG_NAME)
    with pushing(origin.rtmp_url(f"live/r?key={KEY}")) as push:
        before = origin.wait_path("live/r", "live")
        file.write_text(CONFIG + f'[paths.added]\nsource = "{SOURCE}"\nladder = "copy"\n')
        os.kill(origin.process.pid, signal.SIGHUP)
        origin.wait_path("added", "live")
        file.write_text("[paths.broken]\nno_such_key = 1\n")
        os.kill(origin.process.pid, signal.SIGHUP)
        origin.wait_log("is not read again")
        origin.wait_path("added", "live")
        file.write_text(CONFIG)
        status, told = call(origin, "POST", "/config/reload")
        assert (status, told["changed"], told["needs_restart"]) == (200, ["added"], [])
        after = origin.wait_path("live/r", "live")
        assert after["details"]["state_version"] == before["details"]["state_version"]
        assert push.poll() is None


def test_a_source_is_added_and_removed_at_runtime_and_outlives_a_restart(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        settings = {"source": SOURCE, "source_on_demand": False}
        status, told = call(origin, "PUT", "/sources/cam/new", settings)
        assert (status, told["changed"]) == (200, ["cam/new"])
        origin.wait_path("cam/new", "live")
        assert call(origin, "PUT", "/sources/t/x", settings)[0] in (400, 422)
        assert call(origin, "DELETE", "/sources/other")[0] == 404
        kept = origin.log_file.with_name("headwater.api.json")
        assert kept.stat().st_mode & 0o077 == 0
        origin.kill()
        origin.restart()
        origin.wait_path("cam/new", "live")
        assert call(origin, "DELETE", "/sources/cam/new")[0] == 200


def test_a_ladder_that_the_api_sets_is_encoded_for_who_comes_next(origin: OriginProcess) -> None:
    ladder = [{"name": "small", "height": 90, "bitrate_kbps": 80}]
    status, told = call(origin, "PATCH", "/settings/live/l", {"ladder": ladder, "window_s": 20})
    assert (status, told["changed"]) == (200, ["live/l"])
    with pushing(origin.rtmp_url(f"live/l?key={KEY}")):  # its pattern's key goes on to be asked for
        record = origin.wait_record(
            "live/l", lambda seen: "small" in [one["name"] for one in seen["renditions"]]
        )
        heights = {one["name"]: one.get("height") for one in record["renditions"]}
        assert heights["small"] == 90
        assert "source" not in heights
        assert record["window_s"] == 20
        status, told = call(origin, "DELETE", "/settings/live/l")
        assert status == 200
        assert "live/l" in told["deferred"], "it waits until the path begins anew"
        assert origin.path_record("live/l")["state"] in ("starting", "live")
    assert call(origin, "GET", "/settings/live/l")[1]["set_by_api"] == {}


def test_a_source_is_changed_while_it_is_pulled(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        for height in (180, 90):
            source = f"test:?width=320&height={height}&bitrate_kbps=200"
            assert call(origin, "PUT", "/sources/plain/cam", {"source": source})[0] == 200
            origin.wait_record("plain/cam", functools.partial(is_so_high, height))


def is_so_high(height: int, record: dict[str, Any]) -> bool:
    """Whether the picture that is sent has so many lines."""
    return [one["height"] for one in record["tracks"] if "height" in one] == [height]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_schemathesis_finds_nothing_in_a_whole_origin(tmp_path: Path) -> None:
    """Its commands are carried out, but those by which it would ask the world beyond."""
    config = CONFIG + f'[paths.demo]\nsource = "{SOURCE}"\nladder = "copy"\n'
    with origin_process(tmp_path, config) as origin:
        await asyncio.to_thread(origin.wait_path, "demo", "live")
        options = ["--phases", "coverage,fuzzing,stateful", "--max-examples", "10"]
        for operation in ("setSource", "setWebhook"):
            options += ["--exclude-operation-id", operation]
        await find_nothing(origin.url("/api/v1/openapi.json"), ADMIN, tmp_path, options)
        assert "Traceback" not in origin.log()
        assert origin.fetch("/readyz")[0] == 200


def test_a_webhook_is_set_while_the_origin_runs_and_told_again(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin, receiver() as seen:
        seen.answer = lambda _: (410, {}) if len(seen.posted) == 1 else (204, {})
        body = {"url": seen.url, "types": ["config.*", "path.*"], "allow_private": True,
                "max_in_flight": 1}  # fmt: skip
        status, told = call(origin, "PUT", "/webhooks/mine", body)
        assert (status, told["changes"]["webhooks"]) == (200, ["mine"])
        seen.secret = told["secret"]
        settings = {"source": SOURCE}
        assert call(origin, "PUT", "/sources/cam/hook", settings)[0] == 200
        origin.wait_path("cam/hook", "live")
        gone = wait_webhook(origin, lambda one: one["disabled"])
        assert len(seen.posted) == 1
        options = ["--url", origin.url(""), "--token", ADMIN, "--json"]
        assert run(["webhooks", "enable", "mine", *options])["disabled"] is False
        first = seen.posted[0].id
        assert run(["webhooks", "replay", "mine", "--event", first, *options])["replayed"] == 1
        wait_webhook(origin, lambda one: one["delivered"] == 1)
        assert [posted.id for posted in seen.posted] == [first, first]
        run(["webhooks", "replay", "mine", "--after", "0", *options])
        wait_webhook(origin, lambda one: one["delivered"] >= 3 and not one["pending"])
        assert seen.unverified == []
        log = run(["webhooks", "deliveries", "mine", "--event", first, *options])["deliveries"]
        assert [one["status"] for one in log][-2:] == [204, 410]
        assert gone["url"] == f"http://127.0.0.1:{seen.port}/…"
        everything = origin.log() + json.dumps([call(origin, "GET", "/config"), log])
        assert seen.secret not in everything
        origin.kill()
        origin.restart()
        assert wait_webhook(origin, lambda one: True)["set_by_api"]
        assert call(origin, "DELETE", "/webhooks/mine")[0] == 200
        assert call(origin, "GET", "/webhooks")[1] == {"webhooks": []}


def run(arguments: list[str]) -> Any:
    """What a command prints as JSON."""
    done = headwater(*arguments)
    output, _ = done.communicate(timeout=60)
    assert done.returncode == 0, output
    return json.loads(output)


def wait_webhook(origin: OriginProcess, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The only webhook, once it fares as wanted; reports come every second."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        (one,) = ask(origin, "GET", "/webhooks", None)[1]["webhooks"]
        if wanted(one):
            call(origin, "GET", "/webhooks")
            return dict(one)
        time.sleep(0.1)
    raise AssertionError("the webhook does not fare so")


def test_a_whole_run_tells_no_secret(origin: OriginProcess) -> None:
    file = origin.log_file.with_name(CONFIG_NAME)
    file.write_text(CONFIG)
    minted = call(origin, "POST", "/tokens", {"path": ["vip/*"]})[1]
    token = minted["token"]
    with pushing(origin.rtmp_url(f"plain/s?key={PLAIN}")), pushing(origin.rtmp_url("vip/s")):
        origin.wait_path("plain/s", "live")
        vip = f"{minted['prefix']}/vip/s/"
        playlists = [origin.wait_url(vip + "index.m3u8"), origin.wait_url(vip + "manifest.mpd")]
        playlists += [origin.wait_url(vip + "source/index.m3u8"),
                      origin.wait_url(vip + "low-latency.mpd")]  # fmt: skip
        for target in (f"live/no?key={WRONG_KEY}", f"live/no?key={PLAIN}", f"plain/s?key={KEY}"):
            refused = headwater("push", SOURCE, origin.rtmp_url(target))
            refused.communicate(timeout=60)
            assert refused.returncode == 3
        shown = [
            *playlists,
            *show_what_the_api_sets(origin),
            *show_what_is_refused(origin, token),
            *(origin.fetch(url)[1] for url in ("/metrics", "/")),
            *(origin.fetch(f"/api/v1/{name}")[1] for name in ("paths", "server", "openapi.json")),
            json.dumps(call(origin, "GET", "/config")).encode(),
        ]
        events = json.dumps(call(origin, "GET", "/events?after=0&wait=0")).encode()
    kept = b"".join(one.read_bytes() for one in event_files(origin))
    for told in (events, kept):
        for kind in (b"publisher.connected", b"publisher.rejected", b"config.reloaded", b"vip/s"):
            assert kind in told, "everything that has happened is looked at"
    everything = b"\n".join([*shown, events, kept, origin.log().encode()])
    for word in (b"#EXTM3U", b"<MPD", b"auth hook does not answer", b"view.jwks"):
        assert word in everything
    found = [secret for secret in (*PLANTED, token) if secret.encode() in everything]
    assert found == []


def event_files(origin: OriginProcess) -> list[Path]:
    """What is on the disk of what has happened."""
    return sorted((origin.log_file.parent / "state" / "events").glob("*"))


def show_what_is_refused(origin: OriginProcess, token: str) -> list[bytes]:
    """Every answer to secrets in the wrong places, or that are nearly right."""
    places = (
        f"/t/{token}x/vip/s/index.m3u8", f"/t/{ADMIN}/vip/s/index.m3u8", f"/t/{token}/../x",
        f"/vip/s/index.m3u8?key={KEY}", f"/vip/s/index.m3u8?token={ADMIN}",
        f"/api/v1/config?token={ADMIN}", f"/api/v1/config?key={KEY}",
    )  # fmt: skip
    told = [origin.fetch(place) for place in places]
    told.append(origin.fetch("/api/v1/config", {"Authorization": f"Bearer {ADMIN}x"}))
    told.append(origin.fetch("/vip/s/index.m3u8", {"Authorization": f"Bearer {token}x"}))
    assert {status for status, _ in told} <= {400, 401, 403, 404}
    offers = [
        urllib.request.Request(
            origin.url(f"/{path}"), b"v=0", {"Content-Type": "application/sdp", **headers}
        )
        for path, headers in (
            (f"plain/w/whip?key={WRONG_KEY}", {}),
            ("plain/w/whip", {"Authorization": f"Bearer {PLAIN}"}),
            (f"vip/s/whep?token={token}", {}),
        )
    ]
    for offer in offers:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(offer, timeout=20)
        with refused.value as answer:
            told.append((answer.code, answer.read()))
    return [body for _, body in told]


def show_what_the_api_sets(origin: OriginProcess) -> list[bytes]:
    """Everything that is told of secrets that the API has set."""
    source = f"rtsp://me:{SET_PASSWORD}@127.0.0.1:9/x"
    webhook = {"url": WEBHOOK_URL, "secrets": [WEBHOOK_SECRET], "allow_private": True,
               "retry_s": [1]}  # fmt: skip
    asked: list[tuple[str, str, Any]] = [
        ("PUT", "/sources/plain/set", {"source": source}),
        ("PATCH", "/settings/plain/set", {"publish_key": SET_KEY}),
        ("PATCH", "/settings/plain/set", {"publish_keys": [SET_KEY]}),
        ("PUT", "/webhooks/planted", webhook),
        ("PUT", "/webhooks/planted", {**webhook, "secrets": [WEBHOOK_SECRET + "x"]}),
        ("GET", "/sources", None),
        ("GET", "/settings/plain/set", None),
        ("GET", "/sessions", None),
        ("GET", "/config", None),
    ]
    told = [call(origin, *one) for one in asked]
    assert [status for status, _ in told] == [200, 200, 422, 200, 422, 200, 200, 200, 200]
    failed = wait_webhook(origin, lambda one: one["failed_attempts"] > 0)
    log = call(origin, "GET", "/webhooks/planted/deliveries")[1]
    assert log["deliveries"]
    tidied = [call(origin, "DELETE", f"/{name}") for name in (
        "webhooks/planted", "settings/plain/set", "sources/plain/set",
    )]  # fmt: skip
    assert [status for status, _ in tidied] == [200] * 3
    return [json.dumps([told, failed, log, tidied]).encode(), origin.fetch("/metrics")[1]]


def test_the_origin_ends_when_it_is_told_to_and_says_so_to_everybody(tmp_path: Path) -> None:
    config, environment = '[paths."live/*"]\nladder = "copy"', {"HEADWATER_LOG_FORMAT": "json"}
    with (
        origin_process(tmp_path, config, environment=environment) as origin,
        pushing(origin.rtmp_url("live/a")) as push,
    ):
        origin.wait_segments("live/a", "source", 1)
        with urllib.request.urlopen(origin.url("/api/v1/events"), timeout=READY_S) as followed:
            assert followed.readline()
            os.kill(origin.process.pid, signal.SIGTERM)
            followed.read()  # to its end, which is none of a broken connection
        assert origin.process.wait(READY_S) == 0
        assert b"the server shuts down" in b" ".join(push.communicate(timeout=60)[0].split())
        banner = "╭│╰"
        lines = [line for line in origin.log().splitlines() if line[0] not in banner]
        records = [json.loads(line) for line in lines]
        assert {one["process"] for one in records} <= {"origin", "delivery", "webrtc", "webhooks"}
        assert all({"ts", "level", "logger", "message"} <= one.keys() for one in records)
        assert any("live/a" in one["message"] for one in records)
