"""The error tree of the server.

HeadwaterError
├── LocalError              our side's mistake
│   ├── ConfigError         the configuration says something impossible
│   └── LinkBrokenError     another process of ours has gone or speaks nonsense
└── RemoteError             the peer's mistake: it costs the peer its connection, nothing else
"""

from __future__ import annotations


class HeadwaterError(Exception):
    """Base of all errors of the server; `http_status` is what an HTTP edge answers."""

    http_status = 500


class LocalError(HeadwaterError):
    """Our own side is at fault."""


class ConfigError(LocalError):
    """The configuration is impossible; the message names file, key and what would be right."""


class LinkBrokenError(LocalError):
    """Another process of ours has gone, or sent what is not a message."""


class RemoteError(HeadwaterError):
    """The peer sent something it may not; the message names the offending value."""

    http_status = 400
