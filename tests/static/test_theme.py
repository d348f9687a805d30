"""Whether what the pages say can be read: the colours of both themes, by WCAG 2.2 (AA)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

STATIC: Final = Path(__file__).parents[2] / "static"
THEME: Final = (STATIC / "theme.css").read_text("utf-8")
CARD: Final = (STATIC / "card.css").read_text("utf-8")
SMALL_TEXT: Final = 4.5
"""1.4.3; none of our text is large enough for 3."""
LINES: Final = 3.0
"""1.4.11: focus, charts, dots."""
GROUNDS: Final = ("ground", "surface", "raised")
WORDS: Final = ("text", "quiet", "accent", "warn", "danger", "good", "live")
"""Colours that something is written in."""


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def theme(name: str) -> dict[str, str]:
    """Variables of the dark theme, or of the light one, which lies over it."""
    dark, light = THEME.split("@media (prefers-color-scheme: light)", 1)
    read = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    values = dict(read.findall(dark))
    return values if name == "dark" else {**values, **dict(read.findall(light))}


def test_contrast_is_computed_as_the_specification_has_it() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_everything_that_is_written_can_be_read_on_everything_it_is_written_on(name: str) -> None:
    colours = theme(name)
    pairs = [(word, ground) for word in WORDS for ground in GROUNDS]
    pairs.append(("on-accent", "accent"))
    poor = {
        pair: round(found, 2)
        for pair in pairs
        if (found := contrast(colours[pair[0]], colours[pair[1]])) < SMALL_TEXT
    }
    assert poor == {}


@pytest.mark.parametrize("name", ["dark", "light"])
def test_focus_and_charts_are_seen(name: str) -> None:
    colours = theme(name)
    for line in ("accent", "good", "warn", "danger"):
        for ground in GROUNDS:
            assert contrast(colours[line], colours[ground]) >= LINES, (line, ground)


def test_both_themes_have_the_same_colours() -> None:
    dark = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", THEME.split("@media", 1)[0]))
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", THEME.split("light)", 1)[1]))
    assert dark.keys() == light.keys()


@pytest.mark.parametrize("sheet", ["index", "card", "compare", "publish"])
def test_what_is_written_on_a_colour_goes_with_it_in_both_themes(sheet: str) -> None:
    """A rule with a ground of the theme has its words from the theme, and one without from none."""
    rules = re.findall(r"\{([^{}]*)\}", (STATIC / f"{sheet}.css").read_text("utf-8"))
    for rule in rules:
        ground = re.search(r"(?<![\w-])background: ([^;]+)", rule)
        words = re.search(r"(?<![\w-])color: ([^;]+)", rule)
        if ground and words:
            themed = [one[1].startswith("var(") for one in (ground, words)]
            assert themed[0] == themed[1], rule
            if ground[1].startswith("#"):
                assert contrast(full(words[1]), full(ground[1])) >= SMALL_TEXT, rule


def full(colour: str) -> str:
    """#fff as #ffffff."""
    return "#" + "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour


def test_what_is_written_on_pictures_has_a_ground_of_its_own() -> None:
    """State and time: white on colours that no theme changes."""
    grounds = re.findall(r"\.state\[data-tone=\"\w+\"\] \{ background: (#[0-9a-f]{6}); \}", CARD)
    assert len(grounds) >= 3
    for ground in grounds:
        assert contrast("#ffffff", ground) >= SMALL_TEXT, ground
    # 78 % of almost black over a white picture.
    assert "background: rgb(8 12 17 / 78%)" in CARD
    mixed = "#" + "".join(f"{round(part * 0.78 + 255 * 0.22):02x}" for part in (8, 12, 17))
    assert contrast("#ffffff", mixed) >= SMALL_TEXT
