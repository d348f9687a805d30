"""The error tree of the segmenter.

SegmenterError
├── MediaError      the peer's mistake: bytes that are not what they claim to be
└── UsageError      our caller's mistake: a call out of order or with impossible values
"""

from __future__ import annotations


class SegmenterError(Exception):
    """Base of all errors raised by this package."""


class MediaError(SegmenterError):
    """Received bytes break their specification; the message names the offending value."""


class UsageError(SegmenterError):
    """The caller broke the contract of a class in this package."""
