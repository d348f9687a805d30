"""What tests of events share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.streaming.events.news_scene import Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.registry.close()
