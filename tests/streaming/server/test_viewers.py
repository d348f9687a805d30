"""Who watches what by which protocol, from requests alone."""

from __future__ import annotations

from streaming.server.viewers import ViewerCounter

HLS, DASH = "application/vnd.apple.mpegurl", "application/dash+xml"


def test_a_viewer_counts_once_and_for_one_to_two_turns() -> None:
    viewers = ViewerCounter()
    for _ in range(3):
        viewers.saw("live/a", 1)
    viewers.saw("live/a", 2)
    viewers.turn()
    assert viewers.counts() == {"live/a": 2}
    viewers.turn()
    assert viewers.counts() == {}


def test_playlists_tell_who_plays_hls_and_manifests_who_plays_dash() -> None:
    viewers = ViewerCounter()
    viewers.saw("live/a", 1, HLS)
    viewers.saw("live/a", 2, DASH)
    viewers.saw("live/a", 3, "video/mp4")
    assert viewers.counts_by_protocol() == {"live/a": {"hls": 1, "dash": 1}}
    assert viewers.counts() == {"live/a": 3}


def test_who_asks_for_media_alone_still_plays_by_what_it_began_with() -> None:
    viewers = ViewerCounter()
    viewers.saw("live/a", 1, DASH)
    for _ in range(5):
        viewers.turn()
        viewers.saw("live/a", 1, "video/mp4")
        assert viewers.counts_by_protocol() == {"live/a": {"dash": 1}}


def test_who_changes_the_protocol_is_counted_by_the_new_one_after_the_turn() -> None:
    viewers = ViewerCounter()
    viewers.saw("live/a", 1, HLS)
    viewers.turn()
    viewers.saw("live/a", 1, "video/mp4")
    viewers.saw("live/a", 1, DASH)
    assert viewers.counts_by_protocol() == {"live/a": {"dash": 1}}


def test_who_plays_by_two_protocols_counts_in_both_and_as_one_viewer() -> None:
    viewers = ViewerCounter()
    viewers.saw("live/a", 1, HLS)
    viewers.saw("live/a", 1, DASH)
    assert viewers.counts_by_protocol() == {"live/a": {"hls": 1, "dash": 1}}
    assert viewers.counts() == {"live/a": 1}
