"""Each demand that is checked by number has a test that is named after it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DEMANDS = {
    "RFC 8216bis": [f"h{number}" for number in range(1, 32)],
    "DASH-IF's timing model and low latency": [f"d{number}" for number in range(1, 16)],
}


@pytest.mark.parametrize("source", DEMANDS)
def test_each_demand_has_a_test_of_its_own_number(source: str) -> None:
    names = re.findall(
        r"^(?:async )?def test_([hd]\d+)_",
        "\n".join(file.read_text("utf-8") for file in TESTS.rglob("test_*.py")),
        re.MULTILINE,
    )
    assert [demand for demand in DEMANDS[source] if demand not in names] == []
