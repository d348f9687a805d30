"""What an inspection found: a tree of what is there, and findings each under a rule."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streaming.errors import RemoteError
from streaming.inspect.rules import RULES

EXIT_FINE, EXIT_BROKEN, EXIT_UNREADABLE = 0, 1, 2
"""No finding of severity error; some; nothing to inspect there."""


class UnreadableError(RemoteError):
    """The target is not there, or is nothing that can be inspected."""


class Severity(enum.Enum):
    """How much a finding weighs."""

    ERROR = "error"
    """A MUST is broken, or players fail."""
    WARNING = "warning"
    """A SHOULD is broken, or some players do worse."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    rule: str
    """A key of RULES."""
    severity: Severity
    where: str
    text: str


@dataclass(slots=True)
class Node:
    """One line of the tree and what hangs below it."""

    label: str
    children: list[Node] = field(default_factory=list)

    def add(self, label: str) -> Node:
        """A new last child."""
        child = Node(label)
        self.children.append(child)
        return child


class Report:
    """Collects findings, each once however often it is met; inspectors write, callers read."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.tree = Node(target)
        self._findings: dict[Finding, int] = {}

    @property
    def findings(self) -> list[Finding]:
        """In the order in which they were first met."""
        return list(self._findings)

    @property
    def errors(self) -> list[Finding]:
        """The findings of severity error alone."""
        return [f for f in self._findings if f.severity is Severity.ERROR]

    @property
    def exit_status(self) -> int:
        """EXIT_FINE or EXIT_BROKEN."""
        return EXIT_BROKEN if self.errors else EXIT_FINE

    def demand(self, finding: Finding) -> str:
        """What its rule says."""
        return RULES[finding.rule]

    def error(self, rule: str, where: str, text: str) -> None:
        """Something breaks a MUST of ``rule``."""
        self._add(Finding(rule, Severity.ERROR, where, text))

    def warn(self, rule: str, where: str, text: str) -> None:
        """Something breaks a SHOULD of ``rule``."""
        self._add(Finding(rule, Severity.WARNING, where, text))

    def note(self, rule: str, where: str, text: str) -> None:
        """Something worth knowing about ``rule``."""
        self._add(Finding(rule, Severity.NOTE, where, text))

    def add_lines(self, lines: Iterable[str], where: str) -> None:
        """Errors of the CMAF checks, ``C2: what is wrong``."""
        for line in lines:
            rule, _, text = line.partition(": ")
            self.error(rule, where, text)

    def to_builtins(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "target": self.target,
            "ok": not self.errors,
            "findings": [
                {
                    "rule": finding.rule,
                    "severity": finding.severity.value,
                    "where": finding.where,
                    "text": finding.text,
                    "times": times,
                    "demand": self.demand(finding),
                }
                for finding, times in self._findings.items()
            ],
            "tree": _node(self.tree),
        }

    def _add(self, finding: Finding) -> None:
        if finding.rule not in RULES:
            raise KeyError(finding.rule)
        self._findings[finding] = self._findings.get(finding, 0) + 1


def _node(node: Node) -> dict[str, Any]:
    below = {"children": [_node(child) for child in node.children]} if node.children else {}
    return {"label": node.label, **below}
