"""Kinds of values that settings have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
_HOST = r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)"
PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5]?[0-9]{1,4})"
StunServer = Annotated[str, Meta(pattern=rf"^$|^(stun:)?{_HOST}:{PORT}$")]
Listen = Annotated[str, Meta(pattern=rf"^{_HOST}:{PORT}$")]
ListenOrNot = Annotated[str, Meta(pattern=rf"^({_HOST}:{PORT})?$")]
