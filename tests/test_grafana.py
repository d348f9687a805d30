"""The Grafana dashboard against what Grafana's schema wants of one (kinds/dashboard, schema 39)."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.grafana import FOLDER, queries, read_board

BOARD: Final = read_board()
PANELS: Final[list[dict[str, Any]]] = BOARD["panels"]
SHOWN: Final = [one for one in PANELS if one["type"] != "row"]
COLUMNS: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
TYPES: Final = {"row", "stat", "timeseries"}
"""Those we have: each is in Grafana itself since 7.4, without a plug-in."""
UNITS: Final = {"short", "bps", "s", "percentunit", "ops", "bytes", "reqps"}
"""Ids of units that Grafana has; of those we have."""
BUILT_IN: Final = {"__rate_interval", "__interval", "__range"}
FIRST_SCHEMA: Final = 36
"""From which on a data source is an object with type and uid (Grafana 8.5)."""

_VARIABLE: Final = re.compile(r"\$\{?(\w+)")


def test_it_can_be_provisioned_as_it_is() -> None:
    assert BOARD["schemaVersion"] >= FIRST_SCHEMA
    assert re.fullmatch(r"[\w-]{1,40}", BOARD["uid"])
    assert BOARD["title"]
    assert "id" not in BOARD, "which is the database's"
    assert "__inputs" not in BOARD, "which only a person who imports it is asked for"
    assert re.search(r"^apiVersion: 1$", (FOLDER / "provisioning.yaml").read_text(), re.M)


def test_panels_stand_beside_each_other_within_the_grid() -> None:
    taken = set[tuple[int, int]]()
    for panel in PANELS:
        at = panel["gridPos"]
        assert set(at) == {"x", "y", "w", "h"}
        assert min(at["x"], at["y"]) >= 0
        assert min(at["w"], at["h"]) >= 1
        assert at["x"] + at["w"] <= COLUMNS, panel["title"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == COLUMNS * height, "no holes"


def test_each_panel_is_of_a_type_that_grafana_has_and_is_named_once() -> None:
    assert {panel["type"] for panel in PANELS} == TYPES
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0
    titles = [panel["title"] for panel in SHOWN]
    assert len(set(titles)) == len(titles)


def test_a_row_is_open_and_has_its_panels_behind_it() -> None:
    rows = [panel for panel in PANELS if panel["type"] == "row"]
    assert PANELS[0] in rows
    for row in rows:
        assert (row["collapsed"], row["panels"]) == (False, [])
        assert (row["gridPos"]["w"], row["gridPos"]["h"]) == (COLUMNS, 1)
    tops = [panel["gridPos"]["y"] for panel in PANELS]
    assert tops == sorted(tops), "a row has what comes after it"


@pytest.mark.parametrize("panel", SHOWN, ids=lambda one: one["title"])
def test_a_panel_asks_the_source_that_was_chosen_and_says_what_it_shows(
    panel: dict[str, Any],
) -> None:
    assert panel["datasource"] == SOURCE
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["fieldConfig"]["overrides"] == []
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert target["expr"]
        assert target["legendFormat"]
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["calcs"]


def test_every_variable_is_there_and_is_asked_of_the_source_that_was_chosen() -> None:
    variables = {one["name"]: one for one in BOARD["templating"]["list"]}
    assert len(variables) == len(BOARD["templating"]["list"])
    source = variables["datasource"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert next(iter(variables)) == "datasource", "those after it are asked of it"
    for one in variables.values():
        if one["type"] == "query":
            assert one["datasource"] == SOURCE
            assert one["refresh"] in (1, 2), "0 is never"
    for panel, query, legend in queries():
        used = set(_VARIABLE.findall(query)) | set(_VARIABLE.findall(legend))
        assert used <= variables.keys() | BUILT_IN, panel
    for panel in SHOWN:
        assert all('job="$job"' in target["expr"] for target in panel["targets"]), panel["title"]


def test_every_query_is_of_the_language_that_prometheus_speaks() -> None:
    language = pytest.importorskip("promql_parser")
    for panel, query, _ in queries():
        asked = re.sub(r"^label_values\((.*), \w+\)$", r"\1", query)  # Grafana's own
        text = _VARIABLE.sub("x", asked.replace("$__rate_interval", "5m"))
        try:
            language.parse(text)
        except ValueError as error:
            pytest.fail(f"{panel}: {text}: {error}")
