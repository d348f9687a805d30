"""What a delivery process and its thumbnail worker say to each other."""

from __future__ import annotations

from msgspec import Struct


class KeyFrame(Struct, tag="key_frame", array_like=True, frozen=True):
    """To the worker: an init section and a fragment that begins with a key frame."""

    media: bytes


class Still(Struct, tag="still", array_like=True, frozen=True):
    """From the worker: the picture as JPEG; empty where there is none in it."""

    jpeg: bytes
