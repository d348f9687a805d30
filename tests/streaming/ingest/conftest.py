"""What tests of ingest share."""

from __future__ import annotations

import pytest

from tests.streaming.ingest.flv_publisher import Publisher


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()
