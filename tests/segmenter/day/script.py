"""What happens on a day: who publishes when, with which clock, and what goes wrong.

Everything follows from a seed. A day of 24 hours has a thousand sessions of publishers: some last
for hours (drift), most for a minute. Troubles are told in seconds since the session began.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.media import Codec, Track
from tests.segmenter.stage import AUDIO, OPUS, SMALL, SOURCE, renamed

SESSIONS_PER_HOUR = 1000 / 24
LONG_S = 4000.0
"""A session in which drift shows."""

AWAY_S = (0.0, 20.0)
DRIFTS_PPM = (-200, -60, 0, 0, 35, 200)


class Trouble(enum.Enum):
    """What a publisher or its network does."""

    PAUSE = "captures nothing for 5 s, and its clock goes on"
    FREEZE = "stands still for 5 s, with its clock"
    BURST = "sends nothing for 10 s, then all of it at once"
    JUMP = "its clock jumps"
    LOST_ENCODER = "nothing of the encoded rung for some seconds"


@dataclass(frozen=True)
class Session:
    """One publisher, from its first sample to its last."""

    away_s: float
    """Since the one before it; 0: it takes over while that one still sends."""
    seconds: float
    source: Track
    sound: Track
    fps: int
    gop: int
    drift_ppm: int
    first_stamp: int
    """Milliseconds: near where numbers wrap, or small."""
    wrap_bits: int
    troubles: tuple[tuple[float, Trouble, float], ...]
    """(when, what, by how much: seconds)"""

    @property
    def wraps(self) -> bool:
        """Whether its numbers begin anew on the way."""
        return self.first_stamp + 1000 * self.seconds > 1 << self.wrap_bits


VP9 = Track(
    "source", Codec.VP9, 90_000, bytes.fromhex("01000000001f820101010000"), width=1280, height=720
)
SOURCES = (SOURCE, SOURCE, SOURCE, renamed(SMALL, "source"), VP9)
RATES = (16_000, 24_000, 44_100, 48_000)


def _aac(rate: int) -> Track:
    config = write_audio_specific_config(rate, 2)
    return dataclasses.replace(AUDIO, timescale=rate, sample_rate=rate, codec_config=config)


SOUNDS = (*map(_aac, RATES), renamed(OPUS, "audio"))


def sessions(seed: int, hours: float) -> Iterator[Session]:
    """Those of a day of that length, in order."""
    random = Random(seed)
    count = round(SESSIONS_PER_HOUR * hours)
    long = set(random.sample(range(count), k=max(1, round(hours / 4))))
    spare_s = hours * 3600 - min(LONG_S, hours * 1800) * len(long) - 10.0 * count
    mean_s = max(spare_s / count, 8.0)
    for number in range(count):
        seconds = min(LONG_S, hours * 1800) if number in long else _length(random, mean_s)
        yield _session(random, seconds, is_first=number == 0)


def _length(random: Random, mean_s: float) -> float:
    """Most are short, some are gone at once."""
    return 0.3 + min(random.expovariate(1 / mean_s), 6 * mean_s)


def _session(random: Random, seconds: float, *, is_first: bool) -> Session:
    fps = random.choice((10, 10, 15, 20, 25, 30) if seconds < 600 else (10,))
    bits = random.choice((31, 32))
    near = (1 << bits) - round(1000 * random.uniform(0, seconds))
    away_s = random.uniform(*AWAY_S) if random.random() < 0.8 else 0.0
    return Session(
        away_s=0.0 if is_first else away_s,
        seconds=seconds,
        source=random.choice(SOURCES),
        sound=random.choice(SOUNDS if seconds < 600 else SOUNDS[:2]),
        fps=fps,
        gop=fps * random.choice((1, 1, 1, 1, 2, 2, 2, 3)),
        drift_ppm=random.choice(DRIFTS_PPM),
        first_stamp=random.choice((0, 1, 40_000, near, near, near)),
        wrap_bits=bits,
        troubles=tuple(sorted(_troubles(random, seconds), key=lambda trouble: trouble[0])),
    )


def _troubles(random: Random, seconds: float) -> Iterator[tuple[float, Trouble, float]]:
    """One every two minutes or so, never two within 25 s."""
    at_s = random.uniform(5, 120)
    while at_s < seconds - 1:
        kind = random.choice(tuple(Trouble))
        amount = {
            Trouble.PAUSE: 5.0,
            Trouble.FREEZE: 5.0,
            Trouble.BURST: 10.0,
            Trouble.JUMP: random.choice((-3600.0, -20.0, 20.0, 3600.0)),
            Trouble.LOST_ENCODER: random.uniform(3.5, 20),
        }[kind]
        yield at_s, kind, amount
        at_s += random.uniform(25, 240)


def frame_s(sound: Track) -> Fraction:
    """How long a frame of it lasts."""
    if sound.codec is Codec.OPUS:
        return Fraction(1, 50)
    return Fraction(1024, sound.sample_rate)
