"""Which formats the same players decode, by their codec strings (RFC 6381)."""

from __future__ import annotations

_EVERYWHERE = {
    "avc1.42": "avc1",
    "avc1.4d": "avc1",
    "avc1.64": "avc1",
    "mp4a.40.2": "mp4a",
    "mp4a.40.5": "mp4a",
    "mp4a.40.29": "mp4a",
}
"""Profiles that whoever decodes one of them decodes: 8-bit 4:2:0 H.264, AAC with and without SBR
and PS."""


def decoder_of(codecs: str) -> str:
    """What decodes it: equal for two formats where players have both of them or neither.

    That is a matter of the codec and its profile. Levels do not count: browsers decode any.
    """
    entry, _, rest = codecs.partition(".")
    if entry == "avc1":  # the profile's two digits, then constraints and level
        decoder = f"{entry}.{rest[:2]}"
    elif entry == "mp4a":
        decoder = codecs
    else:
        decoder = f"{entry}.{rest.partition('.')[0]}"
    return _EVERYWHERE.get(decoder, decoder)
