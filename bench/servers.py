"""Headwater and nginx as servers under measurement, each with its own temporary directory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchError, ProcessTree, need, running, wait_until

START_S = 20.0
MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    tree: ProcessTree
    http_port: int
    rtmp_port: int
    started: float
    """CLOCK_MONOTONIC of its exec."""
    ready: float
    """CLOCK_MONOTONIC when both ports first took a connection."""
    media: Path | None = None
    """Where it writes media; None for memory that has no name."""

    def media_bytes(self) -> int:
        """What its live windows take beside its processes' RSS."""
        if self.media is None:
            return self.tree.shared_file_bytes()
        return sum(file.stat().st_blocks * 512 for file in self.media.rglob("*"))

    def get(self, path: str) -> bytes | None:
        """The body at `path`; None while there is none."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bytes(response.read())
        except urllib.error.HTTPError:
            return None


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scratch(prefix: str, *, on_disk: bool = False) -> Iterator[Path]:
    """A directory in memory, or on disk where that is measured; wherever there is such a place."""
    place = "/var/tmp" if on_disk else "/dev/shm"
    writable = place if os.access(place, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=writable))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def headwater(
    core: int | None = None, settings: str = "", *, on_disk: bool = True, webrtc: str = ""
) -> Iterator[Server]:
    """The origin, copying only; `settings` are further lines of its path table, `webrtc` of that.

    With ``on_disk`` live windows outlive it, as they do without a configuration.
    """
    with scratch("bench-headwater-", on_disk=on_disk) as directory:
        http, rtmp = free_port(), free_port()
        config = directory / "headwater.toml"
        state = str(directory / "state") if on_disk else "memory"
        config.write_text(
            f'log_level = "warning"\nstate_dir = "{state}"\n'
            f'[http]\nlisten = "127.0.0.1:{http}"\n'
            f'[rtmp]\nlisten = "127.0.0.1:{rtmp}"\n[webrtc]\nlisten = "127.0.0.1:0"\n{webrtc}'
            f'[paths."live/*"]\nladder = "copy"\n{settings}'
        )
        command = [headwater_command(), "serve", "--config", str(config)]
        log = directory / "log"
        with _serving(command, core, log, http, rtmp) as server:
            yield server


@contextlib.contextmanager
def nginx_rtmp(core: int | None = None, *, on_disk: bool = False) -> Iterator[Server]:
    """nginx with its RTMP module, segments and playlists of the same lengths, as files in memory
    or on disk."""
    with scratch("bench-nginx-", on_disk=on_disk) as directory:
        http, rtmp = free_port(), free_port()
        hls = directory / "hls"
        hls.mkdir()
        text = (
            f"rtmp {{ server {{ listen 127.0.0.1:{rtmp}; chunk_size 65536; access_log off;\n"
            f"  application live {{ live on; hls on; hls_path {hls}; hls_fragment 2s;\n"
            f"  hls_playlist_length 30s; hls_nested on; }} }} }}\n"
            + _http_block(http, directory, f"location /live/ {{ alias {hls}/; }}")
        )
        command = nginx_command(directory, text, ("ngx_rtmp_module.so",))
        with _serving(command, core, directory / "log", http, rtmp) as server:
            yield dataclasses.replace(server, media=hls)


@contextlib.contextmanager
def nginx_static(root: Path, core: int | None = None) -> Iterator[Server]:
    """nginx with one worker over the files below `root`, set up for speed."""
    with scratch("bench-nginx-") as directory:
        http = free_port()
        text = _http_block(
            http, directory,
            f"root {root}; sendfile on; tcp_nopush on; keepalive_requests 100000000;"
            " open_file_cache max=100 inactive=60s; open_file_cache_valid 60s;",
        )  # fmt: skip
        command = nginx_command(directory, text, ())
        with _serving(command, core, directory / "log", http, http) as server:
            yield server


def nginx_command(directory: Path, blocks: str, modules: tuple[str, ...]) -> list[str]:
    """Writes a configuration and gives the command that serves it with one worker."""
    config = directory / "nginx.conf"
    loads = "".join(f"load_module {_module(name)};\n" for name in modules)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"{loads}{user}worker_processes 1;\ndaemon off;\npid {directory}/pid;\n"
        f"error_log {directory}/error.log error;\nevents {{ worker_connections 4096; }}\n{blocks}"
    )
    return [need("nginx"), "-p", str(directory), "-c", str(config), "-e", f"{directory}/error.log"]


def _http_block(port: int, directory: Path, location: str) -> str:
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"http {{ access_log off; {temporary} types {{ application/vnd.apple.mpegurl m3u8;"
        f" video/mp4 mp4 m4s; }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; {location} }} }}\n"
    )


def headwater_command() -> str:
    """As installed beside this interpreter, else as found on the PATH."""
    beside = Path(sys.executable).with_name("headwater")
    return str(beside) if beside.exists() else need("headwater")


def _module(name: str) -> str:
    for directory in MODULES:
        if (found := Path(directory) / name).exists():
            return str(found)
    raise BenchError(f"nginx has no {name}: run deploy/setup.sh bench")


@contextlib.contextmanager
def _serving(
    command: list[str], core: int | None, log: Path, http: int, rtmp: int
) -> Iterator[Server]:
    started = time.monotonic()
    with running(command, core, log) as tree:
        try:
            for _ in wait_until(START_S, f"{command[0]} listening", 0.002):
                tree.check()
                if _takes(http) and _takes(rtmp):
                    break
        except BenchError as error:
            raise BenchError(f"{error}: {log.read_text(errors='replace')[-2000:]}") from error
        yield Server(tree, http, rtmp, started, time.monotonic())


def _takes(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
