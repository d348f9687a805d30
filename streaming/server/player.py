"""The web pages: the player, the index and what they load, from static/ or the installed wheel."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from streaming.path_name import RESERVED_NAMES
from streaming.resource import Resource
from streaming.shelf_messages import Put

logger = logging.getLogger(__name__)

PACKAGE: Final = Path(__file__).parent.parent
FOLDERS: Final = (PACKAGE / "_static", PACKAGE.parent / "static")
"""In an installed wheel; in a checkout."""

PREFIX: Final = "/static/"
PATTERNS: Final = ("*.html", "*.css", "*.js", "*.svg", "vendor/*.js", "vendor/*.txt")
MAX_AGE_S: Final = 300
"""Pages name their scripts without a version, so an upgrade must reach browsers within minutes."""

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

_PATH_NAME: Final = re.compile(r"[^/\x00-\x20\x7f][^\x00-\x1f\x7f]{0,254}")


class Pages:
    """Owns the pages and scripts, read once into memory."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or find_folder()
        self._files = {} if folder is None else _load(folder)
        if not self._files:
            logger.warning("no static files: the pages are missing from this installation")

    def file(self, url: str) -> Resource | None:
        """What is at `url` below /static/."""
        return self._files.get(url)

    @property
    def player(self) -> Resource | None:
        """The player page, the same for every path."""
        return self._files.get(PREFIX + "player.html")

    @property
    def publish(self) -> Resource | None:
        """The page that publishes a camera or the screen, the same for every path."""
        return self._files.get(PREFIX + "publish.html")

    @property
    def compare(self) -> Resource | None:
        """The page that plays a path by every protocol, the same for every path."""
        return self._files.get(PREFIX + "compare.html")

    @property
    def index(self) -> Resource | None:
        """The dashboard."""
        return self._files.get(PREFIX + "index.html")


def find_folder() -> Path | None:
    """Where the static files are; None when this installation has none."""
    return next((f for f in FOLDERS if (f / "player.html").is_file()), None)


def is_path_name(name: str) -> bool:
    """Whether a player page makes sense for `name`."""
    parts = name.split("/")
    return (
        _PATH_NAME.fullmatch(name) is not None
        and parts[0] not in RESERVED_NAMES
        and not any(part in ("", ".", "..") for part in parts)
    )


def is_publish_page(url: str) -> bool:
    """Whether a decoded URL is where a browser publishes to a path: "/live/foo/publish"."""
    return url.endswith("/publish") and is_path_name(url[1 : -len("/publish")])


def is_compare_page(url: str) -> bool:
    """Whether a decoded URL is where a path's players are compared: "/live/foo/compare"."""
    return url.endswith("/compare") and is_path_name(url[1 : -len("/compare")])


def _load(folder: Path) -> dict[str, Resource]:
    files = {}
    for pattern in PATTERNS:
        for file in folder.glob(pattern):
            url = PREFIX + file.relative_to(folder).as_posix()
            page = file.suffix == ".html"
            files[url] = Resource.from_put(
                Put(
                    path="",
                    url=url,
                    body=file.read_bytes(),
                    content_type=CONTENT_TYPES[file.suffix],
                    cache="playlist",
                    max_age_s=0 if page else MAX_AGE_S,
                )
            )
    return files
