"""What other origins' playlists make us do; no sockets here."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import RemoteError
from streaming.ingest.hls_pull import (
    MIN_RELOAD_S,
    ByteRange,
    MediaPlaylist,
    PlaylistFollower,
    Variant,
    parse_playlist,
)

URL = "http://origin/live/index.m3u8"


def media(first: int, count: int, *, target: float = 4, end: bool = False) -> MediaPlaylist:
    lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{target}", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for msn in range(first, first + count):
        lines += ["#EXTINF:4.0,", f"{msn}.ts"]
    lines += ["#EXT-X-ENDLIST"] if end else []
    playlist = parse_playlist("\n".join(lines), URL)
    assert isinstance(playlist, MediaPlaylist)
    return playlist


def numbers(segments: list) -> list[int]:
    return [s.msn for s in segments]


MULTIVARIANT = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="fr",URI="fr.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,AUTOSELECT=YES,URI="en.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,AUDIO="a"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1280x720,\
FRAME-RATE=29.970,AUDIO="a"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,CODECS="dvh1.05.06,ec-3",RESOLUTION=3840x2160
dolby.m3u8
"""


def test_the_best_variant_that_we_package_is_chosen_with_its_default_audio() -> None:
    assert parse_playlist(MULTIVARIANT, URL) == Variant(
        video_url="http://origin/live/high.m3u8",
        audio_url="http://origin/live/en.m3u8",
        frame_rate=Fraction(30_000, 1_001),
        bandwidth=5_000_000,
    )


def test_a_live_playlist_is_joined_three_target_durations_before_its_end() -> None:
    follower = PlaylistFollower(URL)
    assert numbers(follower.update(media(100, 10), now=0)) == [107, 108, 109]


def test_a_recording_is_read_from_its_beginning() -> None:
    follower = PlaylistFollower(URL)
    assert numbers(follower.update(media(0, 10, end=True), now=0)) == list(range(10))
    assert follower.has_ended


def test_only_new_segments_are_given_after_that() -> None:
    follower = PlaylistFollower(URL)
    follower.update(media(100, 10), now=0)
    assert follower.update(media(100, 10), now=4) == []
    assert numbers(follower.update(media(102, 10), now=8)) == [110, 111]


def test_a_changed_playlist_is_reloaded_after_a_target_duration_and_an_unchanged_after_half() -> (
    None
):
    follower = PlaylistFollower(URL)
    follower.update(media(1, 5), now=0)
    assert follower.reload_after_s() == 4
    follower.update(media(1, 5), now=4)
    assert follower.reload_after_s() == 2


def test_a_hostile_target_duration_does_not_make_us_hammer_its_server() -> None:
    follower = PlaylistFollower(URL)
    follower.update(replace(media(1, 5), target_s=1e-9), now=0)
    assert follower.reload_after_s() == MIN_RELOAD_S


def test_a_playlist_that_stopped_is_an_error() -> None:
    follower = PlaylistFollower(URL)
    follower.update(media(1, 5), now=0)
    follower.update(media(1, 5), now=19)
    with pytest.raises(RemoteError, match="has not changed"):
        follower.update(media(1, 5), now=21)


def test_an_origin_that_forgot_its_sequence_numbers_is_joined_anew() -> None:
    follower = PlaylistFollower(URL)
    follower.update(media(500, 6), now=0)
    assert numbers(follower.update(media(0, 6), now=4)) == [3, 4, 5]
    assert follower.restarts == 1


def test_byte_ranges_without_a_start_follow_the_one_before() -> None:
    text = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"
#EXTINF:4,
#EXT-X-BYTERANGE:1000@700
all.mp4
#EXTINF:4,
#EXT-X-BYTERANGE:500
all.mp4
#EXT-X-ENDLIST"""
    playlist = parse_playlist(text, URL)
    assert isinstance(playlist, MediaPlaylist)
    at = "http://origin/live/all.mp4"
    assert [s.place for s in playlist.segments] == [
        ByteRange(at, 700, 1_000),
        ByteRange(at, 1_700, 500),
    ]
    assert playlist.segments[0].init == ByteRange(at, 0, 700)


def test_gaps_are_told_and_discontinuities_counted() -> None:
    text = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-DISCONTINUITY
#EXTINF:4,
7.ts
#EXT-X-GAP
#EXTINF:4,
8.ts
#EXT-X-DISCONTINUITY
#EXTINF:4,
9.ts"""
    playlist = parse_playlist(text, URL)
    assert isinstance(playlist, MediaPlaylist)
    seen = [(s.msn, s.discontinuity_sequence, s.is_gap) for s in playlist.segments]
    assert seen == [(7, 2, False), (8, 2, True), (9, 3, False)]


def test_an_encrypted_playlist_is_refused_with_its_method() -> None:
    text = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:4,\na.ts\n'
    with pytest.raises(RemoteError, match="AES-128"):
        parse_playlist(text, URL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>404</html>",
        "#EXTM3U\n#EXTINF:4,\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:x\n#EXTINF:4,\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:5@-9\na.ts\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:\nlow.m3u8\n",
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="ec-3",RESOLUTION=1x1\nlow.m3u8\n',
    ],
)
def test_a_playlist_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match=URL):
        parse_playlist(text, URL)


_TAGS = st.sampled_from(
    [
        "#EXT-X-TARGETDURATION:", "#EXTINF:", "#EXT-X-BYTERANGE:", "#EXT-X-MAP:URI=", "a.ts",
        "#EXT-X-KEY:METHOD=", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-GAP", "#EXT-X-DISCONTINUITY",
        "#EXT-X-STREAM-INF:BANDWIDTH=", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=", "#EXT-X-PART:",
        "#EXT-X-DATERANGE:", "#EXT-X-SKIP:SKIPPED-SEGMENTS=", "#EXT-X-PROGRAM-DATE-TIME:",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(_TAGS, st.text(alphabet='0123456789.@,"=-xNE\n', max_size=8))))
def test_hostile_playlists_raise_remote_errors_only(lines: list[tuple[str, str]]) -> None:
    text = "#EXTM3U\n" + "\n".join(tag + rest for tag, rest in lines)
    try:
        playlist = parse_playlist(text, URL)
    except RemoteError:
        return
    if isinstance(playlist, MediaPlaylist):
        follower = PlaylistFollower(URL)
        follower.update(playlist, now=0)
        assert follower.reload_after_s() >= MIN_RELOAD_S
