"""A path's thumbnail as a resource: /<path>/thumbnail.jpg."""

from __future__ import annotations

import zlib
from typing import Final

from streaming.resource import Resource
from streaming.server.player import is_path_name
from streaming.thumbnail.thumbnails import FRESH_S

NAME: Final = "/thumbnail.jpg"


def is_thumbnail(url: str) -> bool:
    """Whether a decoded URL is the thumbnail of something that can be a path."""
    return url.endswith(NAME) and is_path_name(url[1 : -len(NAME)])


def thumbnail_resource(url: str, path: str, jpeg: bytes) -> Resource:
    """`jpeg` with its validators; caches may keep it as long as we do."""
    return Resource(
        url,
        path,
        "image/jpeg",
        body=jpeg,
        size_bytes=len(jpeg),
        etag=f"{zlib.crc32(jpeg):x}-{len(jpeg):x}",
        cache_control=f"public, max-age={FRESH_S:.0f}",
        kind="thumbnail",
    )
