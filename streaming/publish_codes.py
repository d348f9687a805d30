"""Why a publisher is turned away or closed: RTMP's reason codes, which every ingest translates for
its own publishers."""

from __future__ import annotations

from typing import Final

BAD_NAME: Final = "NetStream.Publish.BadName"
REJECTED: Final = "NetStream.Publish.Rejected"
UNPUBLISHED: Final = "NetStream.Unpublish.Success"
"""Over nothing that it did: another one takes over, or the server or an operator closes it."""
