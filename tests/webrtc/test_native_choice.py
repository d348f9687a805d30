"""Who encrypts, in processes of their own: a library is found once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webrtc.native_choice import native

NEEDS_NATIVE = pytest.mark.skipif(native is None, reason="the extension was not built")
CRYPTO = """
import importlib.util
real = importlib.util.find_spec
def without(name, *rest):
    return None if name.startswith("pylibsrtp") else real(name, *rest)
{lacking}
from tests.webrtc.fanout_stage import open_stage
with open_stage() as stage:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    payloads = stage.write_frame(ring, 1, is_key=True)
    stage.step()
    assert [packet.payload for packet in viewer.packets()] == payloads
    print(stage.fanout.statistics().native, stage.fanout.statistics().crypto)
"""
NO_WHEEL = "importlib.util.find_spec = without"
NOTHING = """
from webrtc import _fanout
_fanout.load_crypto = lambda path: "there is none"
"""


def crypto(lacking: str) -> str:
    """Says who encrypts, where something is lacking; libsrtp has opened what was sent."""
    script = CRYPTO.format(lacking=lacking)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@NEEDS_NATIVE
def test_the_openssl_of_pylibsrtps_wheel_comes_first() -> None:
    assert crypto("").startswith("True _binding")


@NEEDS_NATIVE
def test_next_is_the_systems_libcrypto() -> None:
    assert crypto(NO_WHEEL).startswith("True libcrypto")


@NEEDS_NATIVE
def test_without_any_openssl_the_python_twin_serves() -> None:
    assert crypto(NOTHING).startswith("False ")
