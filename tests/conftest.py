"""What every test may ask for: golden files; and which tests may run side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streaming.cpu_priority import give_up_raising_priority

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, bytes | str], None]


def pytest_configure() -> None:
    """Tests encode AV1 in their own process, which would then keep a core from everything else."""
    give_up_raising_priority()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what the code makes now; look at the diff before committing."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden from the code's output"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the tests (`make test`): most of the long ones wait rather than work.

    Those of a file stay together, and all that have a browser, which takes a core by itself. The
    longest come first: the soak, then the browsers.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: _ORDER.get(_group(item), len(_ORDER)))


_ORDER = {"soak": 0, "browser": 1}


def _group(item: pytest.Item) -> str:
    module = getattr(item, "module", None)
    if hasattr(module, "chromium"):
        return "browser"
    return "soak" if item.path.parent.name == "soak" else str(item.path)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(name, content)``: content equals tests/golden/<name>, byte for byte."""
    update: bool = request.config.getoption("--update-golden")

    def compare(name: str, content: bytes | str) -> None:
        path = GOLDEN / name
        actual = content.encode() if isinstance(content, str) else bytes(content)
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(actual)
        elif not path.exists():
            pytest.fail(f"no golden file {name}: make it with --update-golden")
        expected = path.read_bytes()
        if isinstance(content, str):
            assert content == expected.decode()
        assert actual == expected, f"{name} differs; --update-golden accepts the change"

    return compare
