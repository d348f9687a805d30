from __future__ import annotations

import pytest

from streaming.errors import PublishRejected
from streaming.ingest.rtmp.stream_name import MAX_NAME_CHARACTERS, read_stream_name


@pytest.mark.parametrize(
    ("app", "stream", "tc_url"),
    [
        ("live", "foo?key=sesame", "rtmp://host/live"),
        ("live?key=sesame", "foo", "rtmp://host/live?key=sesame"),
        ("live", "foo", "rtmp://host/live?key=sesame"),
        ("live/", "/foo/?key=sesame", "rtmp://host/live/"),
        ("live/foo", "?key=sesame", "rtmp://host/live/foo"),
        ("", "live/foo?key=sesame", "rtmp://host"),
        ("live/foo?key=sesame", "", "rtmp://host/live/foo"),
    ],
)
def test_all_ways_to_write_a_url_make_the_same_path_and_key(
    app: str, stream: str, tc_url: str
) -> None:
    request = read_stream_name(app, stream, tc_url)
    assert (request.path, request.key) == ("live/foo", "sesame")


def test_a_key_in_the_stream_name_wins_over_one_in_the_app() -> None:
    request = read_stream_name("live?key=app", "foo?key=stream", "rtmp://h/live?key=url")
    assert request.key == "stream"


def test_parameters_are_decoded() -> None:
    request = read_stream_name("live", "foo?key=a%26b+c&empty=&flag", "")
    assert request.query == {"key": "a&b c", "empty": "", "flag": ""}


def test_without_a_key_it_is_empty() -> None:
    assert read_stream_name("live", "foo", "").key == ""


@pytest.mark.parametrize(
    ("app", "stream", "reason"),
    [
        ("", "", "no stream name"),
        ("/", "?key=sesame", "no stream name"),
        ("live", "fo\no", "unprintable"),
        ("live", "\x00", "unprintable"),
        ("live", "x" * (MAX_NAME_CHARACTERS + 1), "too long"),
        ("x" * (MAX_NAME_CHARACTERS + 1), "foo", "too long"),
        ("live", "foo?" + "&".join("a=1" for _ in range(40)), "over 32 parameters"),
    ],
)
def test_unusable_names_are_bad_names_with_a_reason(app: str, stream: str, reason: str) -> None:
    with pytest.raises(PublishRejected, match=reason) as raised:
        read_stream_name(app, stream, "")
    assert raised.value.code == "NetStream.Publish.BadName"
