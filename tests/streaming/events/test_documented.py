"""docs/events.md names every type of event and every code of advice, and no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from streaming.events import advice

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "events.md").read_text()
_FAMILIES = "server|path|publisher|track|rendition|viewer|session|worker|ingest|segment|disk|config"
_TYPE = re.compile(rf'"((?:{_FAMILIES})\.[a-z]+)"')


def section(title: str) -> str:
    _, _, rest = DOCUMENT.partition(f"## {title}\n")
    return rest.partition("\n## ")[0]


def test_each_type_of_event_is_documented_and_no_other() -> None:
    files = (ROOT / "streaming").rglob("*.py")
    emitted = {kind for file in files for kind in _TYPE.findall(file.read_text())}
    rows = [line.split("|")[1] for line in section("Types").splitlines() if line.startswith("| `")]
    documented = {kind for row in rows for kind in re.findall(rf"`((?:{_FAMILIES})\.[a-z]+)`", row)}
    assert documented == emitted


def test_each_code_of_advice_is_documented_and_no_other() -> None:
    given = set(re.findall(r'Advice\(\s*"([a-z-]+)"', inspect.getsource(advice)))
    _, _, rest = section("Types").partition("Codes of advice:")
    documented = set(re.findall(r"`([a-z-]+)`", rest.partition(". A publisher")[0]))
    assert len(given) >= 9
    assert documented == given
