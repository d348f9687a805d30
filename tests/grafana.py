"""The Grafana dashboard in deploy/, as tests look at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "grafana"


def read_board() -> dict[str, Any]:
    """The file as Grafana reads it."""
    board: dict[str, Any] = json.loads((FOLDER / "headwater.json").read_text("utf-8"))
    return board


def queries() -> list[tuple[str, str, str]]:
    """Panel, query and legend of everything that the dashboard asks."""
    board = read_board()
    asked = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
    variables = board["templating"]["list"]
    return asked + [(one["name"], one["query"], "") for one in variables if one["type"] == "query"]
