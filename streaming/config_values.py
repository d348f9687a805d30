"""Kinds of values that settings have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
StunServer = Annotated[str, Meta(pattern=r"^$|^(stun:)?(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5}$")]
Listen = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5}$")]
ListenOrNot = Annotated[str, Meta(pattern=r"^((\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5})?$")]
