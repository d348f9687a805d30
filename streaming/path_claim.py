"""A publisher that was let in and has not begun."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from streaming.ingest.source import Publication, Publisher


class PathClaim:
    """See PublishClaim; the registry makes it.

    While there is one, its path knows that somebody asks (`asking`) where it has to know.
    """

    def __init__(
        self, begin: Callable[[Publisher], Publication], asking: contextlib.ExitStack
    ) -> None:
        self._begin = begin
        self._asking = asking

    def take(self, publisher: Publisher) -> Publication:
        """See PublishClaim."""
        with self._asking:
            return self._begin(publisher)

    def drop(self) -> None:
        """See PublishClaim."""
        self._asking.close()
