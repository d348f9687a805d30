"""Written ladders, which are taken as written, but nothing is ever scaled up. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from segmenter.media import Track
from streaming.config_paths import RungConfig
from streaming.errors import ConfigError
from streaming.transcode.planned_rung import PlannedRung, even_size, plan_rung

_TAKEN_NAMES = re.compile(r"(source|audio|webrtc)(\d+|_.*)?", re.IGNORECASE)
_AUTOMATIC_NAMES = re.compile(r"\d+p")


def may_name_rendition(name: str, ladder: str | Sequence[RungConfig]) -> bool:
    """Whether a path with that ladder may have a rendition of this name, whatever is published."""
    if _TAKEN_NAMES.fullmatch(name) or _AUTOMATIC_NAMES.fullmatch(name):
        return True
    return not isinstance(ladder, str) and any(rung.name == name for rung in ladder)


def validate_ladder(ladder: str | Sequence[RungConfig]) -> None:
    """Raises ConfigError when a written ladder is impossible whatever the source."""
    if isinstance(ladder, str):
        return
    if not ladder:
        raise ConfigError('a written ladder has at least one rung; for none say ladder = "none"')
    names = set()
    for rung in ladder:
        if rung.name in names:
            raise ConfigError(f'two rungs of the ladder are named "{rung.name}"')
        names.add(rung.name)
        if not rung.copy and _TAKEN_NAMES.fullmatch(rung.name):
            raise ConfigError(
                f'a rung cannot be named "{rung.name}": such names belong to the source\'s tracks'
            )
        if rung.webrtc and (rung.copy or rung.b_frames):
            what = "the source as it is" if rung.copy else "B-frames"
            raise ConfigError(f'rung "{rung.name}": webrtc = true does not go with {what}')
        if 0 < rung.maxrate_kbps < rung.bitrate_kbps:
            raise ConfigError(
                f'rung "{rung.name}": maxrate_kbps {rung.maxrate_kbps} is below bitrate_kbps'
            )
    if sum(rung.copy for rung in ladder) > 1:
        raise ConfigError("only one rung of a ladder can copy the source")


def plan_written(
    ladder: Sequence[RungConfig], video: Track, reasons: list[str]
) -> tuple[bool, list[PlannedRung]]:
    """Whether the source is offered as it is, and what is encoded; why is added to ``reasons``."""
    copies = any(rung.copy for rung in ladder)
    written = [rung for rung in ladder if not rung.copy]
    if not video.width or not video.height:
        reasons.append("the source's size is unknown: nothing is encoded")
        return True, []
    planned = [plan_rung(rung, video, *_written_size(rung, video)) for rung in written]
    planned.sort(key=lambda rung: rung.width * rung.height, reverse=True)
    fitting = [r for r in planned if r.width <= video.width and r.height <= video.height]
    reasons += [
        f"{rung.name} ({rung.width}x{rung.height}) would scale up the source "
        f"({video.width}x{video.height}): left out"
        for rung in planned
        if rung not in fitting
    ]
    if planned and not fitting and not copies:
        smallest = min(written, key=lambda r: _area(_written_size(r, video)))
        reasons.append(f"{smallest.name} is encoded at the source's size instead")
        fitting = [plan_rung(smallest, video, video.width // 2 * 2, video.height // 2 * 2)]
    return copies, fitting


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _written_size(rung: RungConfig, video: Track) -> tuple[int, int]:
    if rung.width and rung.height:
        width, height = Fraction(rung.width), Fraction(rung.height)
    elif rung.width:
        width, height = Fraction(rung.width), Fraction(video.height * rung.width, video.width)
    else:
        height = Fraction(rung.height or video.height)
        width = video.width * height / video.height
    return even_size(width, video.width), even_size(height, video.height)
