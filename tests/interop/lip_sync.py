"""By how much the test source's sound is after its picture, in segments: flashes are time codes."""

from __future__ import annotations

import io
import itertools
import statistics
from typing import Any

import av
import numpy as np

from streaming.ingest.test_time_code import read_luma_time_code

QUIET_S = 0.3
"""Before a beep; it begins with the first sample beyond a quarter of the loudest."""
ONSET_SHARE = 0.25


def sound_lag_s(video: bytes, sound: bytes) -> float:
    """Median over the beeps, which begin at whole seconds of UTC; init and media in each."""
    ahead_s = statistics.median(media_ahead_s(video))
    beeps = [at - ahead_s for at in beeps_s(sound)]
    assert len(beeps) >= 2, f"{len(beeps)} beeps"
    return statistics.median(beep - round(beep) for beep in beeps)


def media_ahead_s(video: bytes) -> list[float]:
    """Of each picture: its media time minus the time code that it shows."""
    found = []
    with av.open(io.BytesIO(video)) as container:
        for frame in container.decode(video=0):
            plane: Any = frame.planes[0]
            code = read_luma_time_code(bytes(plane), plane.line_size, frame.width, frame.height)
            if code is not None and frame.time is not None:
                found.append(frame.time - code)
    assert found, "no picture with a time code"
    return found


def beeps_s(sound: bytes) -> list[float]:
    """Media times at which it becomes loud."""
    times, levels = [], []
    with av.open(io.BytesIO(sound)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            times.append(float(frame.time or 0.0) + np.arange(wave.size) / frame.sample_rate)
            levels.append(wave)
    at, level = np.concatenate(times), np.concatenate(levels)
    loud = at[level > ONSET_SHARE * level.max()]
    return [float(b) for a, b in itertools.pairwise(loud) if b - a > QUIET_S]
