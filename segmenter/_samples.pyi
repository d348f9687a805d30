"""What happens to every sample of a live stream, in C; see segmenter/native/module.c."""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from segmenter import media
from segmenter.boundary import BoundaryRule
from segmenter.lane import Lane
from segmenter.track_clock import TrackClock

INTERFACE: int
"""See segmenter.native_choice."""

@final
class Sample:
    """The C twin of segmenter.media.PythonSample."""

    __match_args__: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __hash__: ClassVar[None]  # type: ignore[assignment]
    track: str
    dts: int
    pts: int
    is_sync: bool
    duration: int
    discontinuity: bool
    captured_utc: float
    size_bytes: int
    @property
    def data(self) -> bytes: ...
    @property
    def payload(self) -> bytes | memoryview: ...
    def __new__(
        cls,
        track: str,
        dts: int,
        pts: int,
        data: bytes,
        is_sync: bool,
        duration: int = 0,
        discontinuity: bool = False,
        captured_utc: float = 0.0,
    ) -> Sample: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class TagReader:
    """Reads runs of messages that begin as one of ``rules`` says.

    A rule is (type id of the message, its first bytes, bytes of its header, where in it a signed
    24-bit pts - dts is or -1, name of the track, whether its samples are sync samples, index of
    the byte of the body that tells what is special or -1, the values of it that are).
    """

    def __new__(
        cls, rules: list[tuple[int, bytes, int, int, str, bool, int, bytes]], /
    ) -> TagReader: ...
    def read_messages(
        self,
        messages: list[Any],
        index: int,
        now_utc: float,
        out: list[Any],
        /,
    ) -> int:
        """Append the samples of messages[index:] to ``out``; gives the first that is not read."""

    def read_tags(
        self, data: bytes | memoryview, position: int, shift: int, now_utc: float, out: list[Any], /
    ) -> int:
        """The same of FLV tags one after the other, ``shift`` added to their times modulo 2**32.

        A view must be of bytes that nobody changes: samples are taken from it uncopied.

        Gives where the first that is not read begins, or the data end; what it skips of the last
        back pointer may be beyond the end.
        """

    def read_chunks(
        self,
        data: bytes,
        position: int,
        longest: int,
        streams: dict[int, Any],
        now_utc: float,
        out: list[Any],
        /,
    ) -> int:
        """The same of RTMP chunks, each a message of up to ``longest`` bytes by itself.

        ``position`` is where a chunk begins; ``streams`` are ChunkReader's, and are brought up to
        date. Gives where the first that is not read begins, or the data end.
        """

def place_run(
    lines: Mapping[str, TrackClock],
    samples: list[media.Sample],
    index: int,
    now_utc: float,
    out: list[media.Sample],
    /,
) -> int:
    """Place samples[index:] as Timeline.push would; gives the first that it must place itself."""

def take_run(
    lanes: Mapping[str, Lane],
    leader_name: str,
    leader: Lane,
    rule: BoundaryRule,
    watermark: int,
    samples: list[media.Sample],
    index: int,
    now_utc: float,
    /,
) -> tuple[int, int, bool]:
    """Take samples[index:] as Lanes.push would.

    Gives the first that it must push itself, the watermark, and whether it must drain the queues
    before that.
    """

def write_run(
    samples: list[media.Sample],
    sequence_number: int,
    end: int,
    is_video: bool,
    before: bytes,
    /,
) -> list[media.Payload] | None:
    """`before`, moof and the header of mdat in one, then each payload: see write_fragment.

    None where Python must write it, or say what is wrong.
    """
