"""Bit-wise reading of headers that a peer sent; every read is bounds-checked."""

from __future__ import annotations

from segmenter.errors import MediaError

MAX_GOLOMB_ZEROS = 32
"""ue(v) values end at 2**32 - 2 (H.264 9.1, H.265 9.2); more leading zeros is no parameter."""


class BitReader:
    """Reads big-endian bit fields of one header; owned by the function that parses it.

    Raises MediaError on each read that would pass the end.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self._position = 0
        self._end = len(data) * 8

    @property
    def bits_left(self) -> int:
        """How many bits are still unread."""
        return self._end - self._position

    def read_bits(self, count: int) -> int:
        """u(n): the next ``count`` bits as an unsigned number; 0 bits are the number 0."""
        start = self._position
        end = start + count
        if end > self._end:
            raise MediaError(f"header ends {end - self._end} bits too early")
        self._position = end
        window = int.from_bytes(self._data[start >> 3 : (end + 7) >> 3], "big")
        return (window >> (-end & 7)) & ((1 << count) - 1)

    def read_flag(self) -> bool:
        """u(1) as a truth value."""
        return self.read_bits(1) == 1

    def skip_bits(self, count: int) -> None:
        """Pass over ``count`` bits."""
        end = self._position + count
        if end > self._end:
            raise MediaError(f"header ends {end - self._end} bits too early")
        self._position = end

    def align(self) -> None:
        """Pass over the bits up to the next byte boundary."""
        self._position = (self._position + 7) & ~7

    def read_ue(self, limit: int = 0xFFFFFFFF, name: str = "ue(v)") -> int:
        """ue(v), an unsigned Exp-Golomb number; MediaError when it is over ``limit``."""
        zeros = 0
        while not self.read_bits(1):
            zeros += 1
            if zeros > MAX_GOLOMB_ZEROS:
                raise MediaError(f"{name}: Exp-Golomb number longer than 32 bits")
        value = (1 << zeros) - 1 + self.read_bits(zeros)
        if value > limit:
            raise MediaError(f"{name} is {value}, at most {limit} is allowed")
        return value

    def read_se(self) -> int:
        """se(v), a signed Exp-Golomb number."""
        value = self.read_ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def remove_emulation_prevention(nal: bytes | memoryview) -> bytes:
    """The RBSP of a NAL unit: each 00 00 03 becomes 00 00 (H.264 7.4.1, H.265 7.4.2)."""
    return bytes(nal).replace(b"\x00\x00\x03", b"\x00\x00")
