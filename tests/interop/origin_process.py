"""A whole origin as its users start it, for tests with real programs.

    with origin_process(tmp_path, '[paths."demo"]\\nsource = "test:"') as origin:
        origin.wait_path("demo", "live")
        origin.get("/demo/index.m3u8")

Everything blocks; an async test calls the waits through `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

READY_S: Final = 20.0
"""The issue asks for 1 s; a test machine may run other things beside us."""

STOP_S: Final = 15.0
POLL_S: Final = 0.02
LOG_TAIL_LINES: Final = 60
CONFIG_NAME: Final = "headwater.toml"
PR_SET_PDEATHSIG: Final = 1
_MAIN: Final = "from streaming.__main__ import main; main()"


@dataclass(frozen=True)
class OriginPlace:
    """Where an origin runs."""

    host: str = "127.0.0.1"
    """Address that it listens on."""
    command_prefix: tuple[str, ...] = ()
    """Runs what follows somewhere else, as `ip netns exec` does."""


@dataclass
class OriginProcess:
    """One running origin; made by `origin_process`."""

    process: subprocess.Popen[bytes]
    http_port: int
    rtmp_port: int
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    place: OriginPlace = field(default_factory=lambda: OriginPlace())
    company: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Programs that end with the test, whatever becomes of it."""

    def kill(self) -> None:
        """Ends all of its processes at once, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def respawn(self) -> None:
        """Starts it again after `kill`, on the same ports; its log begins anew."""
        config = self.log_file.with_name(CONFIG_NAME)
        ports = self.http_port, self.rtmp_port
        self.process = _spawn(config, self.log_file, ports, self.environment, self.place)

    def url(self, path: str = "/") -> str:
        """`path` on the origin, absolute."""
        return f"http://{self.place.host}:{self.http_port}{path}"

    def rtmp_url(self, path: str) -> str:
        """Where to push the path `path`, such as "live/foo"."""
        return f"rtmp://{self.place.host}:{self.rtmp_port}/{path}"

    def fetch(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of a GET."""
        request = urllib.request.Request(self.url(path), headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def get(self, path: str) -> bytes:
        """The body at `path`, which must be there."""
        status, body = self.fetch(path)
        assert status == 200, f"{path}: {status} {body[:200]!r}"
        return body

    def path_record(self, path: str) -> dict[str, Any] | None:
        """What the API says of `path`; None when it does not exist."""
        status, body = self.fetch(f"/api/v1/paths/{path}")
        record: dict[str, Any] = json.loads(body)
        return record if status == 200 else None

    def wait_path(self, path: str, state: str, within_s: float = READY_S) -> dict[str, Any]:
        """Waits until `path` is in `state`; its API record then."""

        def record() -> dict[str, Any] | None:
            seen = self.path_record(path)
            return seen if seen is not None and seen["state"] == state else None

        return self.wait(record, f"{path} to be {state}", within_s)

    def wait_record(
        self, path: str, accepts: Callable[[dict[str, Any]], bool], within_s: float = READY_S
    ) -> dict[str, Any]:
        """Waits until the API's record of `path` is as wanted; the record then."""

        def record() -> dict[str, Any] | None:
            seen = self.path_record(path)
            return seen if seen is not None and accepts(seen) else None

        return self.wait(record, f"{path} to be as wanted", within_s)

    def wait_url(self, path: str, within_s: float = READY_S) -> bytes:
        """Waits until `path` answers 200; the body then."""

        def body() -> bytes | None:
            status, content = self.fetch(path)
            return content if status == 200 else None

        return self.wait(body, f"{path} to answer 200", within_s)

    def wait_segments(
        self, path: str, rendition: str, count: int, within_s: float = READY_S
    ) -> list[str]:
        """Waits until the rendition's playlist lists `count` segments; their URLs."""

        def urls() -> list[str] | None:
            status, body = self.fetch(f"/{path}/{rendition}/index.m3u8")
            names = re.findall(r"^[^#\s].*$", body.decode(), re.M) if status == 200 else []
            found = [f"/{path}/{rendition}/{name.strip()}" for name in names]
            return found if len(found) >= count else None

        return self.wait(urls, f"{count} segments of {path}/{rendition}", within_s)

    def wait_media(self, path: str, rendition: str, count: int, within_s: float = READY_S) -> bytes:
        """Waits for `count` segments; the init section and the first so many, as one file."""
        urls = self.wait_segments(path, rendition, count, within_s)[:count]
        playlist = self.get(f"/{path}/{rendition}/index.m3u8").decode()
        init = playlist.split('#EXT-X-MAP:URI="', 1)[1].split('"', 1)[0]
        return b"".join(map(self.get, [f"/{path}/{rendition}/{init}", *urls]))

    def wait_listed(self, path: str, text: bytes, within_s: float = READY_S) -> None:
        """Waits until what is at `path` contains `text`."""
        self.wait(lambda: text in self.get(path), f"{text!r} in {path}", within_s)

    def log(self) -> str:
        """Everything printed so far."""
        return self.log_file.read_text("utf-8", "replace")

    def wait_log(self, pattern: str, within_s: float = READY_S) -> re.Match[str]:
        """Waits until the regular expression `pattern` appears in the log."""
        return self.wait(
            lambda: re.search(pattern, self.log()), f"{pattern!r} in the log", within_s
        )

    def children(self) -> list[tuple[int, str]]:
        """Process id and command line of the origin's child processes."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[1]) == self.process.pid:
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                        found.append((int(entry.name), line.decode().strip()))
        return found

    def child(self, module: str) -> int:
        """Process id of the child that runs `module`, such as "streaming.server.delivery"."""
        return next(pid for pid, line in self.children() if module in line)

    def kill_main(self) -> None:
        """Ends its main process as the kernel does that is out of memory."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Starts it again on the same ports and waits until it answers."""
        self.respawn()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until it answers."""
        self.wait(lambda: self.fetch("/readyz")[0] == 200 or None, "readiness", READY_S)

    def stop(self) -> int:
        """Ends the origin as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the origin did not stop:\n{self.tail()}") from None

    def tail(self) -> str:
        """The end of the log."""
        return "\n".join(self.log().splitlines()[-LOG_TAIL_LINES:])

    def wait(self, value: Callable[[], T | None], what: str, within_s: float = READY_S) -> T:
        """Waits until there is a value; it."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the origin ended, waiting for {what}:\n{self.tail()}")
            with contextlib.suppress(OSError):
                found = value()
                if found is not None:
                    return found
            time.sleep(POLL_S)
        raise AssertionError(f"{within_s} s were not enough for {what}:\n{self.tail()}")


@contextlib.contextmanager
def origin_process(
    folder: Path,
    config: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    place: OriginPlace = OriginPlace(),
) -> Iterator[OriginProcess]:
    """Starts an origin with `config` (TOML) on free ports, of loopback unless `place` says
    otherwise, and stops it at the end.

    Yields it when it answers. With an empty `config` no path has a source. The log is in `folder`
    and is printed when the test fails.
    """
    http_port, rtmp_port = free_ports(2)
    config_file, log_file = folder / CONFIG_NAME, folder / "origin.log"
    config_file.write_text(config)
    origin = OriginProcess(
        _spawn(config_file, log_file, (http_port, rtmp_port), environment or {}, place),
        http_port,
        rtmp_port,
        log_file,
        environment or {},
        place,
    )
    try:
        origin.wait_ready()
        yield origin
        origin.stop()
    except BaseException:
        print(f"--- the origin's log ---\n{origin.tail()}")
        raise
    finally:
        # Its children are in its session: none may outlive a failed test.
        origin.kill()
        for program in origin.company:
            program.kill()
            program.wait()


def _spawn(
    config: Path,
    log: Path,
    ports: tuple[int, int],
    environment: Mapping[str, str],
    place: OriginPlace,
) -> subprocess.Popen[bytes]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_")}
    listen = {
        "HEADWATER_HTTP__LISTEN": f"{place.host}:{ports[0]}",
        "HEADWATER_RTMP__LISTEN": f"{place.host}:{ports[1]}",
        "HEADWATER_WEBRTC__LISTEN": f"{place.host}:0",
        "HEADWATER_STATE_DIR": str(log.parent / "state"),
        "COLUMNS": "200",
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            [*place.command_prefix, sys.executable, "-c", _MAIN, "serve", "-c", config],
            env={**own, **listen, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_the_tests,
        )


def _die_with_the_tests() -> None:
    # Nobody else ends the origin of a test run that is killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """TCP ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
