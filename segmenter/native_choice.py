"""Whether the C extension is used; the one place where that is decided.

`segmenter._samples` does in C what happens to every sample. It is missing where no compiler was
at hand, and refuses to load where HEADWATER_PURE_PYTHON is set in the environment; then the
Python does all by itself. Whoever has a C twin asks for ``native is not None``. One that was built
from other sources than these (a checkout that was updated and not built again) is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

INTERFACE = 4
"""Of the extension; to be raised here and in module.c with each change of what it offers."""

if TYPE_CHECKING:
    from segmenter import _samples as native
else:
    try:
        from segmenter import _samples as native
    except ImportError:
        native = None
    if getattr(native, "INTERFACE", None) != INTERFACE:
        native = None

__all__ = ["native"]
