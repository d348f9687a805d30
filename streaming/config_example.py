"""Renders `headwater.example.toml` from the configuration's own structs and docstrings."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import msgspec

from streaming.config import (
    Config,
    EventsConfig,
    HttpConfig,
    IceServerConfig,
    RtmpConfig,
    WebhookConfig,
    WebrtcConfig,
)
from streaming.config_access import (
    ApiConfig,
    ApiTokenConfig,
    AuthHookConfig,
    ViewConfig,
    ViewKeyConfig,
)
from streaming.config_paths import PathConfig, RungConfig

HEADER = """\
# Every key of Headwater's configuration with its default.
# Start with: headwater serve --config headwater.toml
# Each key can come from the environment as well: HEADWATER_HTTP__LISTEN=0.0.0.0:8080,
# HEADWATER_LOG_LEVEL=debug, HEADWATER_PATHS__demo__LADDER=copy
"""

_PATH_HEADER = """\
# Settings of every path that matches the pattern in the table's name; an exact name wins over
# a pattern, and among patterns the one with most literal text wins. A path needs no table to
# exist: whatever is pushed is live under its own name, with the defaults below.
"""

_ICE_SERVER_HEADER = """\
# The keys of an ICE server:
# ice_servers = [{ urls = ["stun:stun.example.org:3478"] }]
"""

_VIEW_KEY_HEADER = """\
# The keys of a key:
# keys = [{ id = "2026", algorithm = "EdDSA", file = "/etc/headwater/view.pem" }]
"""

_API_TOKEN_HEADER = """\
# The keys of a token:
# tokens = [{ name = "dashboard", hash = "sha256:…", scope = "read" }]
"""

_WEBHOOK_HEADER = """\
# Webhooks are tables of their own, each with
# [[webhooks]]
"""

_RUNG_HEADER = """\
# A written ladder is a list of rungs in place of the word; the keys of a rung:
# ladder = [{ name = "source", copy = true }, { name = "720p", height = 720 }]
"""


_EXAMPLES: dict[str, Any] = {
    "name": "720p",
    "urls": ("turn:turn.example.org:3478",),
    "id": "2026",
    "hash": "sha256:…",
    "WebhookConfig.name": "mine",
    "url": "https://example.org/headwater",
    "secrets": ("whsec_…",),
}
"""Of keys that have no default."""


def render_example() -> str:
    """The commented example with all defaults, as TOML."""
    sections = [HEADER, _section(Config, "")]
    sections += ["[http]\n" + _section(HttpConfig, "")]
    sections += ["[rtmp]\n" + _section(RtmpConfig, "")]
    sections += ["[webrtc]\n" + _section(WebrtcConfig, "")]
    sections += [_ICE_SERVER_HEADER + _section(IceServerConfig, "# ")]
    sections += ["[events]\n" + _section(EventsConfig, "")]
    sections += ["[api]\n" + _section(ApiConfig, "")]
    sections += [_API_TOKEN_HEADER + _section(ApiTokenConfig, "# ")]
    sections += ["[view]\n" + _section(ViewConfig, "")]
    sections += [_VIEW_KEY_HEADER + _section(ViewKeyConfig, "# ")]
    sections += ["[auth_hook]\n" + _section(AuthHookConfig, "")]
    sections += [_WEBHOOK_HEADER + _section(WebhookConfig, "# ")]
    sections += [_PATH_HEADER + '[paths."live/*"]\n' + _section(PathConfig, "")]
    sections += [_RUNG_HEADER + _section(RungConfig, "# ")]
    return "\n".join(sections)


def _section(struct: type[msgspec.Struct], prefix: str) -> str:
    comments = field_docstrings(struct)
    lines = []
    for key in msgspec.structs.fields(struct):
        if key.default is msgspec.NODEFAULT and key.default_factory is not msgspec.NODEFAULT:
            continue
        lines += [f"# {line.strip()}" for line in comments[key.name].splitlines()]
        is_required = key.default is msgspec.NODEFAULT
        default = toml_value(_example(struct, key.name) if is_required else key.default)
        lines.append(f"{prefix}{key.encode_name} = {default}")
    return "\n".join(lines) + "\n"


def _example(struct: type[msgspec.Struct], key: str) -> Any:
    return _EXAMPLES.get(f"{struct.__name__}.{key}", _EXAMPLES.get(key))


def toml_value(value: Any) -> str:
    """A default of ours as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return str(value)


def field_docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The string that stands under each field of `struct` in its source."""
    tree = ast.parse(inspect.getsource(struct))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for field, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant):
                found[field.target.id] = str(text.value)
    return found
