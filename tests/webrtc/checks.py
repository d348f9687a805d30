"""The connectivity checks of peers that are no libraries."""

from __future__ import annotations

from webrtc.ice import IceCredentials
from webrtc.stun import (
    BINDING_REQUEST,
    ICE_CONTROLLING,
    PRIORITY,
    USE_CANDIDATE,
    USERNAME,
    render_stun,
)


def nominating_check(
    ours: IceCredentials, theirs: IceCredentials, transaction: bytes = bytes(12)
) -> bytes:
    """A controlling peer's check, by whom `ours` are, that takes the pair at once."""
    attributes = [
        (USERNAME, f"{theirs.ufrag}:{ours.ufrag}".encode()),
        (PRIORITY, bytes(4)),
        (ICE_CONTROLLING, bytes(8)),
        (USE_CANDIDATE, b""),
    ]
    return render_stun(BINDING_REQUEST, transaction, attributes, password=theirs.password)
