"""The user's Python on raw frames; the only place where numpy meets video.

The contract with hooks is docs/frame-hooks.md. A hook may be slow or broken: then it is bypassed
and the stream goes on.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from segmenter.media import VIDEO_TIMESCALE
from streaming.errors import ConfigError
from streaming.transcode.rung_encoder import RGB_MATRIX, matrix_of

Image = NDArray[np.uint8]
Hook = Callable[[Image, float], Any]

WINDOW = 60
"""Calls whose mean duration is held against the budget: two seconds of most video."""
MOST_ERRORS_IN_A_ROW = 10
FORMATS = ("rgb24", "yuv420p")
_RAISED = (Exception, SystemExit)
"""Whatever a user's code may raise; a script's sys.exit() is meant for the script."""


def load_hook(name: str) -> Hook:
    """The function that "module:function" names. Raises ConfigError."""
    module_name, colon, function_name = name.partition(":")
    if not colon:
        raise ConfigError(f'frame_hook "{name}" is not of the form "module:function"')
    look_where_the_server_was_started()
    try:
        hook: Any = getattr(importlib.import_module(module_name), function_name)
    except _RAISED as error:
        raise ConfigError(f'frame_hook "{name}": {_brief(error)}') from error
    if not callable(hook):
        raise ConfigError(f'frame_hook "{name}" is not a function')
    if getattr(hook, "frame_format", FORMATS[0]) not in FORMATS:
        raise ConfigError(f'frame_hook "{name}": frame_format is none of {", ".join(FORMATS)}')
    return hook  # type: ignore[no-any-return]


def look_where_the_server_was_started() -> None:
    """Modules there are found, too, but after all others: none can take the place of a library."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)


class FrameHook:
    """Owns one loaded hook, its clock and its errors; used by one thread.

    `bypassed` is empty while the hook is called, and says why when it no longer is: its mean over
    the last `WINDOW` calls exceeded the budget, or it failed `MOST_ERRORS_IN_A_ROW` times.
    """

    def __init__(
        self,
        hook: Hook,
        budget_ms: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._hook = hook
        self._format: str = getattr(hook, "frame_format", FORMATS[0])
        self._budget_ms = budget_ms
        self._clock = clock
        self._took_ms: deque[float] = deque(maxlen=WINDOW)
        self._errors_in_a_row = 0
        self.errors = 0
        self.bypassed = ""

    def apply(self, frame: VideoFrame, pts: int) -> VideoFrame:
        """The frame to encode: the hook's, or `frame` itself."""
        if self.bypassed:
            return frame
        image = self._as_image(frame)
        began = self._clock()
        try:
            made = self._hook(image, pts / VIDEO_TIMESCALE)
            problem = _problem(made, image)
        except _RAISED as error:
            made, problem = None, _brief(error)
        self._judge((self._clock() - began) * 1000, problem)
        if made is None or problem:
            return frame
        return self._as_frame(made, frame)

    def _judge(self, took_ms: float, problem: str) -> None:
        self._took_ms.append(took_ms)
        if problem:
            self.errors += 1
            self._errors_in_a_row += 1
            if self._errors_in_a_row >= MOST_ERRORS_IN_A_ROW:
                self.bypassed = f"{self._errors_in_a_row} errors in a row, the last: {problem}"
            return
        self._errors_in_a_row = 0
        mean = sum(self._took_ms) / len(self._took_ms)
        if len(self._took_ms) == WINDOW and mean > self._budget_ms:
            self.bypassed = f"it takes {mean:.1f} ms per frame, the budget is {self._budget_ms:g}"

    def _as_image(self, frame: VideoFrame) -> Image:
        full = frame.color_range == ColorRange.JPEG
        image: Any = frame.to_ndarray(
            width=frame.width // 2 * 2,  # planes of half the size need it; a rung is even anyway
            height=frame.height // 2 * 2,
            format=self._format,
            src_colorspace=matrix_of(frame),
            dst_colorspace=matrix_of(frame),
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG if self._format == "rgb24" else ColorRange.MPEG,
        )
        return image  # type: ignore[no-any-return]

    def _as_frame(self, image: Image, source: VideoFrame) -> VideoFrame:
        made = VideoFrame.from_ndarray(np.ascontiguousarray(image), format=self._format)
        if self._format == "rgb24":
            made = made.reformat(
                format="yuv420p",
                src_color_range=ColorRange.JPEG,
                dst_colorspace=matrix_of(source),
                dst_color_range=ColorRange.MPEG,
            )
        matrix = source.colorspace if source.colorspace != RGB_MATRIX else matrix_of(source)
        made.colorspace, made.color_range = matrix, ColorRange.MPEG
        made.color_primaries, made.color_trc = source.color_primaries, source.color_trc
        return made


def _brief(error: BaseException) -> str:
    """On one line, as log and events have it."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")


def _problem(made: Any, image: Image) -> str:
    """Why the hook's answer cannot be used; empty when it can."""
    if made is None:
        return ""
    if not isinstance(made, np.ndarray):
        return f"it returned {type(made).__name__}, not an array or None"
    if made.shape != image.shape or made.dtype != image.dtype:
        return f"it returned {made.shape} {made.dtype}, not {image.shape} {image.dtype}"
    return ""
