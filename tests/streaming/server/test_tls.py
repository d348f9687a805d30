"""TLS of the HTTP port: what it speaks, and a certificate that is renewed while it serves."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import ssl
from pathlib import Path

import pytest

from streaming.config_file import check_config
from streaming.errors import ConfigError
from streaming.live_requests import LiveRequests
from streaming.server.connection import DeliveryServer
from streaming.server.listener import Listener
from streaming.server.player import Pages
from streaming.server.site import Site
from streaming.shelf_messages import DeliveryConfig
from streaming.tls import Certificate
from tests.interop.edge_room import trusting_anyone, write_certificate
from tests.streaming.server.conftest import PLAYLIST, filled_shelf, until


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    write_certificate(tmp_path)
    return Certificate(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")


def renew(folder: Path) -> None:
    other = folder / "new"
    other.mkdir(exist_ok=True)
    write_certificate(other)
    for name in ("fullchain.pem", "privkey.pem"):
        shutil.copy(other / name, folder / name)
        os.utime(folder / name, (1, 1))  # whatever the file system's clock can tell apart


async def test_playlists_come_by_tls_and_a_renewed_certificate_is_shown_to_new_clients(
    certificate: Certificate, tmp_path: Path, pages: Pages
) -> None:
    config = DeliveryConfig()
    site = Site(config, LiveRequests(filled_shelf()), pages, lambda path: None)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = DeliveryServer(site.answer, site.fast_path)
    listener = Listener(server, listening, 100, site.counters, certificate.context)
    await listener.start()
    try:
        first = await ask(port)
        assert first[1].endswith(PLAYLIST)
        assert site.counters.fast_requests
        renew(tmp_path)
        assert certificate.load()
        assert not certificate.load()
        second = await ask(port)
        assert second[1].endswith(PLAYLIST)
        assert first[0] != second[0]
    finally:
        await listener.drain(0.0)
        listening.close()


async def ask(port: int) -> tuple[bytes | None, bytes]:
    """The server's certificate and its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting_anyone())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    async with asyncio.timeout(20):
        for _ in range(2):  # TLS 1.3 still sends tickets before the first one
            writer.write(b"GET /live/a/index.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()
    return shown, head + body


async def test_files_that_change_are_taken_over_by_themselves(
    certificate: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("streaming.tls.LOOK_S", 0.01)
    caplog.set_level(logging.INFO)
    following = asyncio.create_task(certificate.follow())
    renew(tmp_path)
    await until(lambda: "has been read again" in caplog.text)
    assert not certificate.load()
    following.cancel()


def test_files_that_are_no_pair_leave_the_certificate_as_it_was(
    certificate: Certificate, tmp_path: Path
) -> None:
    before = certificate.context.session_stats()
    (tmp_path / "privkey.pem").write_text("half a ke")
    assert not certificate.load()
    (tmp_path / "privkey.pem").unlink()
    assert not certificate.load()
    assert certificate.context.session_stats() == before


def test_what_cannot_be_served_is_refused_with_the_keys_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"http\.tls_certificate"):
        Certificate(tmp_path / "a.pem", tmp_path / "b.pem")
    with pytest.raises(ConfigError, match="need each other"):
        check_config('[http]\ntls_certificate = "a.pem"\n', {})


def test_old_versions_are_not_spoken(certificate: Certificate) -> None:
    assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2
