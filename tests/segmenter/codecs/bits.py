"""Writes headers bit by bit, so that tests can build what no encoder here would make."""

from __future__ import annotations


class BitWriter:
    """Collects u(n), ue(v) and se(v) fields; ``rbsp()`` adds the stop bit."""

    def __init__(self) -> None:
        self._bits: list[str] = []

    def u(self, width: int, *values: int) -> BitWriter:
        for value in values:
            self._bits.append(format(value, f"0{width}b") if width else "")
        return self

    def ue(self, *values: int) -> BitWriter:
        for value in values:
            digits = format(value + 1, "b")
            self._bits.append("0" * (len(digits) - 1) + digits)
        return self

    def se(self, *values: int) -> BitWriter:
        for value in values:
            self.ue(2 * value - 1 if value > 0 else -2 * value)
        return self

    def append(self, other: BitWriter) -> BitWriter:
        self._bits += other._bits
        return self

    def to_bytes(self) -> bytes:
        """All bits, zero-padded to whole bytes."""
        text = "".join(self._bits)
        text += "0" * (-len(text) % 8)
        return int(text or "0", 2).to_bytes(len(text) // 8, "big")

    def rbsp(self) -> bytes:
        """All bits with rbsp_trailing_bits."""
        self._bits.append("1")
        return self.to_bytes()


def escape(rbsp: bytes) -> bytes:
    """Insert emulation prevention bytes."""
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
