"""What of a configuration that can be served is hardly meant so, for `headwater check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from streaming.config import Config
from streaming.config_paths import PathConfig, RungConfig
from streaming.errors import ConfigError

_MADE_PICTURES = ("", "card")
_REORDERING = ("h264", "hevc")
_MADE_SOUNDS = ("silence", "tone")


def find_warnings(config: Config) -> list[str]:
    """What may go wrong, a sentence each. Raises ConfigError for what cannot work."""
    warnings = []
    for name, path in config.paths.items():
        table = f'paths."{name}"'
        try:
            warnings += [f"{table}.{warning}" for warning in _path_warnings(path)]
        except ConfigError as error:
            raise ConfigError(f"{table}.{error}") from error
    return warnings


def _path_warnings(path: PathConfig) -> Iterator[str]:
    if path.source and (warning := _check_source(path.source)):
        yield f"source: {warning}"
    for key, file, made in (
        ("slate", path.slate, _MADE_PICTURES),
        ("slate_audio", path.slate_audio, _MADE_SOUNDS),
    ):
        if file not in made and not Path(file).exists():
            yield f"{key}: {file} does not exist"
    if path.frame_hook:
        yield from _hook_warnings(path)
    if not isinstance(path.ladder, str):
        for rung in path.ladder:
            if rung.b_frames and rung.codec not in _REORDERING:
                yield f'ladder: rung "{rung.name}": {rung.codec} has no B-frames'
            if warning := _check_rung(rung):
                yield f'ladder: rung "{rung.name}" cannot be encoded in software: {warning}'


def _check_source(url: str) -> str:
    # Here, because these import FFmpeg, which a configuration without sources does not need.
    from streaming.ingest.demux import file_of, scheme_of
    from streaming.ingest.test_source import parse_test_url

    try:
        if url.startswith("test:"):
            parse_test_url(url)
        elif scheme_of(url) == "file" and not Path(file_of(url)).exists():
            return f"{file_of(url)} does not exist"
    except ConfigError as error:
        raise ConfigError(f"source: {error}") from error
    return ""


def _hook_warnings(path: PathConfig) -> Iterator[str]:
    module = path.frame_hook.partition(":")[0].partition(".")[0]
    if PathFinder.find_spec(module, [*sys.path, os.getcwd()]) is None:
        yield f"frame_hook: there is no module {module} here, nor among what is installed"
    rungs = () if isinstance(path.ladder, str) else path.ladder
    if path.ladder in ("copy", "none") or (rungs and all(rung.copy for rung in rungs)):
        yield "frame_hook: it is never called, for this ladder encodes no picture"


def _check_rung(rung: RungConfig) -> str:
    """Of words that only the encoder knows, whether it does."""
    if rung.copy or not (rung.preset or rung.profile or rung.b_frames or rung.lookahead):
        return ""
    from streaming.transcode.encoders import why_software_refuses
    from streaming.transcode.planned_rung import plan_example

    return why_software_refuses(plan_example(rung))
