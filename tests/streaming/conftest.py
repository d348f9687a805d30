"""Fixtures that several folders share."""

from tests.streaming.commanded import commanded as commanded
