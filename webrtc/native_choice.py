"""Whether the C fan-out is used; the one place where that is decided.

`webrtc._fanout` does in C what happens to every packet. It is missing where no compiler was at
hand, refuses to load where HEADWATER_PURE_PYTHON is set in the environment, and is of no use where
no OpenSSL is found for it; then the Python does all by itself. One that was built from other
sources than these (a checkout that was updated and not built again) is not used.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

INTERFACE = 7
"""Of the extension; to be raised here and in module.c with each change of what it offers."""

_SYSTEM_LIBRARIES: Final = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")


def _libraries() -> list[str]:
    """Where an OpenSSL may be: first the one that pylibsrtp's wheel carries (3.5 or later)."""
    binding = importlib.util.find_spec("pylibsrtp._binding")
    carried = [binding.origin] if binding is not None and binding.origin is not None else []
    return [*carried, *_SYSTEM_LIBRARIES]


if TYPE_CHECKING:
    from webrtc import _fanout as native
else:
    try:
        from webrtc import _fanout as native
    except ImportError:
        native = None
    if getattr(native, "INTERFACE", None) != INTERFACE:
        native = None
    if native is not None and all(native.load_crypto(path) for path in _libraries()):
        native = None

__all__ = ["native"]
