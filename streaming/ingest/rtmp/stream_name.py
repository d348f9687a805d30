"""From the names in ``connect`` and ``publish`` to a path and a key.

``rtmp://host/live/foo?key=secret`` arrives as app ``live`` and stream ``foo?key=secret``;
``rtmp://host/foo`` as app ``foo`` without a stream or as stream ``foo`` without an app; OBS leaves
a query on the server's URL in the app. All of them make the same path and key.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from streaming.errors import PublishRejected
from streaming.ingest.rtmp.events import PublishRequested
from streaming.publish_codes import BAD_NAME

MAX_NAME_CHARACTERS = 1_024
"""Of app, stream name and tcUrl, queries included: signed URLs of large services have 600."""

_MAX_PARAMETERS = 32
_KEY = "key"


def read_stream_name(app: str, stream: str, tc_url: str) -> PublishRequested:
    """What the peer wants to publish. Raises PublishRejected when the names are unusable."""
    if max(len(app), len(stream), len(tc_url)) > MAX_NAME_CHARACTERS:
        raise PublishRejected(BAD_NAME, "the stream name is too long")
    app_name, _, app_query = app.partition("?")
    stream_name, _, stream_query = stream.partition("?")
    parts = [part.strip("/") for part in (app_name, stream_name)]
    path = "/".join(part for part in parts if part)
    if not path:
        raise PublishRejected(BAD_NAME, "there is no stream name in the URL")
    if not path.isprintable():
        raise PublishRejected(BAD_NAME, "the stream name has unprintable characters")
    query: dict[str, str] = {}
    for text in (tc_url.partition("?")[2], app_query, stream_query):
        query.update(_read_query(text))
    return PublishRequested(path, query.get(_KEY, ""), query)


def _read_query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise PublishRejected(BAD_NAME, f"the URL has over {_MAX_PARAMETERS} parameters") from None
    return dict(pairs)
