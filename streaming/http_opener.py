"""HTTP by the standard library, and nothing but HTTP."""

from __future__ import annotations

import urllib.request


def http_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Opens http and https with these `handlers` besides, and no other scheme, whatever a playlist
    or a redirect names; ``open`` then gives None."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        *handlers,
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
