"""The table of a path's life as a picture: Mermaid, which repositories' pages draw."""

from __future__ import annotations

from collections import defaultdict

from streaming.path_state import TRANSITIONS, Cause, PathState

ON_AIR = (
    PathState.PROBING,
    PathState.STARTING,
    PathState.LIVE,
    PathState.DEGRADED,
    PathState.STALLED,
)
"""Drawn as one where a cause leads from all of them to the same state."""
GROUP = "ON_AIR"


def draw_states() -> str:
    """A state diagram, an edge for each pair of states, named by what leads along it."""
    edges: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for cause, pairs in TRANSITIONS.items():
        for old, new in _grouped(cause, pairs):
            edges[old, new].append(cause.value)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> IDLE", f"    state {GROUP} {{"]
    inner = {state.name for state in ON_AIR}
    lines += [f"        {_line(*edge)}" for edge in edges.items() if {*edge[0]} <= inner]
    lines += ["    }"]
    lines += [f"    {_line(*edge)}" for edge in edges.items() if not {*edge[0]} <= inner]
    return "\n".join([*lines, "```"]) + "\n"


def _grouped(cause: Cause, pairs: dict[PathState, PathState]) -> list[tuple[str, str]]:
    targets = {pairs.get(state) for state in ON_AIR}
    if None in targets or len(targets) > 1:
        return [(old.name, new.name) for old, new in pairs.items()]
    outer = [(old.name, new.name) for old, new in pairs.items() if old not in ON_AIR]
    return [(GROUP, pairs[ON_AIR[0]].name), *outer]


def _line(pair: tuple[str, str], causes: list[str]) -> str:
    return f"{pair[0]} --> {pair[1]}: {', '.join(causes)}"
