"""Offers of real clients as they were sent, and others made from them."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def offer(name: str) -> str:
    """``chromium-whep`` (version 156, receives picture and sound), ``chromium-whip-simulcast``
    (sends sound and a picture in three layers), ``aiortc-whep`` (1.16, and a data channel)."""
    return (_HERE / f"{name}.sdp").read_bytes().decode()
