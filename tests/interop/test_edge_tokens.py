"""The cache of deploy/nginx-tokens.conf: one copy for all tokens, and for those alone."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from streaming.auth.access_rules import ViewKey
from streaming.auth.view_tokens import mint_token
from tests.interop import edge_room
from tests.interop.edge_room import DEPLOY, Edge, edge, substitute
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = pytest.mark.slow

KEY: Final = ViewKey("hs", "HS256", "a secret of thirty-two characters")
CONFIG: Final = f"""
[http]
trusted_proxies = ["127.0.0.1"]
[view]
keys = [{{ id = "hs", algorithm = "HS256", secret = "{KEY.material}" }}]
[paths.vip]
source = "test:?width=320&height=180&bitrate_kbps=400"
ladder = "copy"
view = "token"
"""
INIT: Final = re.compile(r'EXT-X-MAP:URI="([^"]+)"')


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_path("vip", "live")
        yield running


@pytest.fixture
def front(origin: OriginProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """nginx.conf with both parts included, as docs/auth.md says."""
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    caches = substitute(
        (DEPLOY / "nginx-tokens.conf").read_text(), {"/var/cache/nginx": str(tmp_path)}
    )
    (folder / "nginx-tokens.conf").write_text(caches)
    main = (DEPLOY / "nginx.conf").read_text()
    main = substitute(
        main,
        {
            "    upstream headwater {": f"    include {folder}/nginx-tokens.conf;\n"
            "    upstream headwater {",
            "        location / {": f"        include {folder}/nginx-tokens-server.conf;\n"
            "        location / {",
        },
    )
    (folder / "nginx.conf").write_text(main)
    monkeypatch.setattr(edge_room, "DEPLOY", folder)
    with edge("nginx", tmp_path, origin.http_port) as one:
        yield one


def token(**claims: object) -> str:
    return mint_token(KEY, {"path": "vip", "exp": time.time() + 600, **claims})


async def test_two_tokens_share_one_copy_and_without_one_there_is_none(front: Edge) -> None:
    first, second = token(), token(jti="2")
    async with front.client() as client:
        playlist = await client.get(f"/t/{first}/vip/source/index.m3u8")
        assert playlist.status_code == 200
        assert first not in playlist.text
        init = INIT.findall(playlist.text)[0]
        url = f"/vip/source/{init}"
        told = [await client.get(f"/t/{one}{url}") for one in (first, second, first)]
        assert [one.headers["x-cache-status"] for one in told] == ["MISS", "HIT", "HIT"]
        assert len({one.content for one in told}) == 1
        refused = {
            url: 401,
            f"/t/nonsense{url}": 401,
            f"/t/{token(exp=time.time() - 60)}{url}": 401,
            f"/t/{token(path='other')}{url}": 403,
            f"/t/{token(ip='10.0.0.1')}{url}": 403,
        }
        for target, status in refused.items():
            answer = await client.get(target)
            assert answer.status_code == status, target
            assert answer.content != told[0].content


async def test_a_url_with_two_meanings_gets_nothing_out_of_the_cache(front: Edge) -> None:
    good, other = token(), token(path="other")
    async with front.client() as client:
        playlist = (await client.get(f"/t/{good}/vip/source/index.m3u8")).text
        url = f"/vip/source/{INIT.findall(playlist)[0]}"
        body = (await client.get(f"/t/{good}{url}")).content
    for target in (
        f"/t/{other}/x/..{url}",
        f"/t/{other}/../{other}{url}",
        f"/t/{other}/%2e%2e/{other}{url}",
        f"/t/{other}/vip%2Fsource/{url.rpartition('/')[2]}",
        f"/t/{other}%2F..%2F{good[:-1]}{url}",
    ):
        command = ["curl", "-sk", "--path-as-is", f"{front.base}{target}"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
        assert done.stdout != body, target
