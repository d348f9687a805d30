"""Messages on the media timeline: emsg in every rendition, EXT-X-DATERANGE in every playlist."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

import m3u8
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.fmp4.box_tree import read_boxes, records
from segmenter.fmp4.checks import check_segment
from segmenter.fmp4.fragment_records import EventMessage
from segmenter.hls.date_ranges import MESSAGE_ATTRIBUTE, date_range_line
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.rendered_playlist import RenderedPlaylist
from segmenter.media import Sample
from segmenter.presentation import PresentationSettings
from segmenter.timed_message import (
    MOST_CHAT_BYTES,
    MOST_LISTED_BYTES,
    MOST_WAITING,
    STALE_MS,
    MessageKind,
    TimedMessage,
    write_message,
)
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, Stage, audio, video

NAMES = ("source", "360p", "audio")
SKIP_S = 12
"""CAN-SKIP-UNTIL with segments of two seconds."""


def dts(sample: Sample) -> int:
    return sample.dts


def media(at: float) -> list[list[Sample]]:
    """Eighty seconds of each rendition."""
    return [
        video(at=at, seconds=80, size=10, breaks=at > 0),
        video(SMALL, at=at, seconds=80, size=10, breaks=at > 0),
        audio(at=at, seconds=80, size=10, breaks=at > 0),
    ]


def events(data: bytes) -> list[EventMessage]:
    return list(records(read_boxes(data), EventMessage))


def message(
    number: int, at: float, kind: MessageKind = "metadata", body: bytes = b'{"a":1}'
) -> TimedMessage:
    return TimedMessage(f"1-{number}", number, kind, round((START + at) * 1000), body)


class Talk(Stage):
    """Three renditions in whose media messages come, and their playlists."""

    def __init__(self, *, parts: bool = True) -> None:
        cut = PresentationSettings(part_duration_s=0.2 if parts else 0.0)
        super().__init__(SOURCE, SMALL, AUDIO, settings=cut)
        self.live = LivePlaylists(self.presentation, low_latency=parts)
        self.played = 0.0
        self._streams = media(0.0)

    def play(self, seconds: float) -> None:
        """So much more media."""
        self.played += seconds
        due: list[list[Sample]] = []
        for stream in self._streams:
            scale = self.scales[stream[0].track]
            count = bisect.bisect_left(stream, (START + self.played) * scale, key=dts)
            due.append(stream[:count])
            del stream[:count]
        self.push(*due)

    def return_at(self, at: float) -> None:
        """A publisher whose media go on from ``at``, after a discontinuity."""
        self._streams, self.played = media(at), at

    def tell(self, *messages: TimedMessage) -> list[bool]:
        return [self.presentation.tell(each) for each in messages]

    def playlist(self, name: str = "source") -> RenderedPlaylist:
        return self.live.render(NAMES)[name]


def ranges(playlist: bytes) -> list[str]:
    return re.findall(r"^#EXT-X-DATERANGE:.*", playlist.decode(), re.MULTILINE)


def ids(playlist: bytes) -> list[str]:
    return [re.findall(r'ID="([^"]*)"', line)[0] for line in ranges(playlist)]


# -- emsg ----------------------------------------------------------------------------------------


def test_a_message_is_this_box() -> None:
    box = write_message(TimedMessage("1-7", 7, "chat", 1_800_000_000_500, b'{"t":1}'), 90_000)
    body = (
        b"emsg\x01\0\0\0"
        + (90_000).to_bytes(4, "big")
        + (162_000_000_045_000).to_bytes(8, "big")
        + bytes(4)
        + (7).to_bytes(4, "big")
        + b"urn:headwater:chat:2026\0\0"
        + b'{"t":1}'
    )
    assert box == (len(body) + 4).to_bytes(4, "big") + body


def test_the_next_part_of_every_rendition_carries_a_message_and_no_other_does() -> None:
    silent, talk = Talk(), Talk()
    silent.play(6)
    talk.play(3.05)
    talk.tell(message(1, 3.05), message(2, 3.05, "chat"))
    talk.play(2.95)
    for name in NAMES:
        parts = [key for key in talk.data if key[0] == name and key[1].count(".") == 2]
        (spoken,) = [key for key in parts if talk.data[key] != silent.data[key]]
        said = events(talk.data[spoken])
        assert [(event.event_id, event.scheme_id_uri) for event in said] == [
            (1, "urn:headwater:metadata:2026"),
            (2, "urn:headwater:chat:2026"),
        ]
        for event in said:
            assert event.presentation_time == (1000 * START + 3050) * event.timescale // 1000
            assert event.timescale == talk.scales[name]
        media_bytes = silent.data[spoken]
        assert talk.data[spoken].endswith(media_bytes[media_bytes.find(b"moof") - 4 :])


def test_a_segment_with_messages_is_its_parts_and_keeps_the_rules_of_cmaf() -> None:
    talk = Talk()
    talk.play(2)
    talk.tell(message(1, 2.0))
    talk.play(1)
    talk.tell(message(2, 3.0))
    talk.play(3)
    for name in NAMES:
        for segment in talk.segments[name]:
            data = talk.data[name, segment.name]
            assert len(data) == segment.size_bytes == sum(p.size_bytes for p in segment.parts)
            offset = 0
            for part in segment.parts:
                assert part.offset_bytes == offset
                offset += part.size_bytes
            assert check_segment(data, segment.init.track) == []


def test_without_parts_a_message_is_in_the_segment_of_its_time() -> None:
    talk = Talk(parts=False)
    talk.play(5)
    talk.tell(message(1, 5.0))
    talk.play(3)
    (segment,) = [s for s in talk.segments["source"] if b"emsg" in talk.data["source", s.name]]
    assert segment.start / 90_000 - START == 4.0
    assert ids(talk.playlist().full) == ["1-1"]


def test_a_message_waits_for_the_next_publisher_and_only_the_latest_do() -> None:
    talk = Talk()
    talk.play(3)
    talk.pause()
    talk.tell(*[message(number, 3.0, body=b"0") for number in range(MOST_WAITING + 5)])
    talk.return_at(5)
    talk.play(1)
    (part,) = [data for (name, _), data in talk.data.items() if name == "audio" and b"emsg" in data]
    assert [event.event_id for event in events(part)] == list(range(5, MOST_WAITING + 5))


def test_a_message_of_long_before_goes_with_no_fragment() -> None:
    talk = Talk()
    talk.play(3)
    talk.pause()
    talk.tell(message(1, 3.0), message(2, 8.0))
    talk.return_at(3 + STALE_MS / 1000 + 1)
    talk.play(1)
    said = [event.event_id for data in talk.data.values() for event in events(data)]
    assert set(said) == {2}


# -- EXT-X-DATERANGE -----------------------------------------------------------------------------


def test_a_date_range_is_this_line() -> None:
    said = TimedMessage("1-7", 7, "metadata", 1_800_000_000_500, '{"t":"ä 5%{$x}"}'.encode())
    assert date_range_line(said) == (
        '#EXT-X-DATERANGE:ID="1-7",CLASS="urn:headwater:metadata:2026"'
        ',START-DATE="2027-01-15T08:00:00.500Z",DURATION=0.0'
        ',X-HEADWATER-MESSAGE="{%22t%22:%22ä 5%25{%24x}%22}"\n'
    )
    assert unquote("{%22t%22:%22ä 5%25{%24x}%22}") == '{"t":"ä 5%{$x}"}'


@pytest.mark.parametrize("end", ["\x85", "\x9b", "\u2028", "\u2029", "\x7f"])
def test_nothing_that_anybody_says_ends_its_line(end: str) -> None:
    text = f'{{"text":"bye{end}#EXT-X-ENDLIST{end}"}}'
    line = date_range_line(TimedMessage("1-7", 7, "chat", 0, text.encode()))
    assert end not in line
    assert not m3u8.loads(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{line}").is_endlist
    assert unquote(line.partition(f'{MESSAGE_ATTRIBUTE}="')[2].removesuffix('"\n')) == text


@pytest.mark.parametrize("parts", [True, False])
def test_h25_the_same_line_stands_in_all_playlists_until_its_segment_has_left(parts: bool) -> None:
    talk = Talk(parts=parts)
    talk.play(9)
    said = message(1, 9.0)
    talk.tell(said)
    line = date_range_line(said).rstrip("\n")
    seen = 0
    while talk.played < 50:
        talk.play(1)
        for name in NAMES:
            first = talk.presentation.renditions[name].segments[0]
            is_listed = first.start / first.timescale - START <= 9
            assert ranges(talk.playlist(name).full) == ([line] if is_listed else [])
            seen += is_listed
    assert seen > 60


def test_a_playlist_without_messages_is_as_it_was() -> None:
    talk = Talk()
    talk.play(4)
    assert b"DATERANGE:" not in talk.playlist().full
    assert b"CAN-SKIP-DATERANGES=YES" in talk.playlist().full


def test_a_delta_has_all_date_ranges_and_one_for_v2_those_of_within_the_boundary() -> None:
    talk = Talk()
    talk.play(10)
    talk.tell(message(1, 10.0))
    talk.play(9)
    talk.tell(message(2, 19.0))
    talk.play(9)
    playlist = talk.playlist()
    assert ids(playlist.full) == ids(playlist.delta) == ["1-1", "1-2"]
    assert ids(playlist.delta_v2) == ["1-2"]
    assert b"#EXT-X-VERSION:9\n" in playlist.delta
    assert b"#EXT-X-VERSION:10\n" in playlist.delta_v2
    assert b'RECENTLY-REMOVED-DATERANGES=""' in playlist.delta_v2
    talk.play(15)
    assert b'RECENTLY-REMOVED-DATERANGES="1-1"' in talk.playlist().delta_v2
    talk.play(10)
    assert b'RECENTLY-REMOVED-DATERANGES="1-1\t1-2"' in talk.playlist().delta_v2


@dataclass
class Client:
    """A player that fetches deltas for v2 and merges what it knows (6.3.7)."""

    known: list[str] = field(default_factory=list)

    def fetch(self, playlist: RenderedPlaylist) -> None:
        text = playlist.delta_v2.decode()
        found = re.search(r'RECENTLY-REMOVED-DATERANGES="([^"]*)"', text)
        if found is None:
            self.known = []
        removed = set(found[1].split("\t")) if found else set()
        kept = [each for each in self.known if each not in removed]
        self.known = kept + [each for each in ids(playlist.delta_v2) if each not in kept]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((0.4, 1.1, 2.7, 5.9)), st.integers(0, 3)),
        min_size=6,
        max_size=12,
    )
)
def test_who_merges_deltas_knows_what_the_playlist_says(
    steps: list[tuple[float, int]],
) -> None:
    talk, client, number = Talk(), Client(), 0
    talk.play(2.5)
    client.known = ids(talk.playlist().full)
    for seconds, count in steps:
        for _ in range(count):
            number += 1
            talk.tell(message(number, talk.played))
        talk.play(seconds)
        playlist = talk.playlist()
        client.fetch(playlist)
        assert client.known == ids(playlist.full)


def test_a_window_lists_so_many_bytes_of_messages_and_half_of_that_of_chat() -> None:
    talk = Talk()
    talk.play(4)
    body = b'"' + b"x" * 1022 + b'"'
    chat = [message(n, 4.0, "chat", body) for n in range(MOST_LISTED_BYTES // 1024)]
    assert sum(talk.tell(*chat)) == MOST_CHAT_BYTES // 1024
    more = [message(1000 + n, 4.0, "metadata", body) for n in range(MOST_LISTED_BYTES // 1024)]
    assert sum(talk.tell(*more)) == (MOST_LISTED_BYTES - MOST_CHAT_BYTES) // 1024
    talk.play(60)
    assert talk.tell(message(5000, 64.0, "chat", body)) == [True]
    assert ids(talk.playlist().full)[-1] == "1-5000"


def test_playlists_of_a_new_life_list_nothing_of_the_former_one() -> None:
    talk = Talk()
    talk.play(4)
    talk.tell(message(1, 4.0))
    talk.play(4)
    talk.end()
    assert ids(talk.playlist().full) == ["1-1"]
    talk.start(SOURCE, SMALL, AUDIO)
    talk.return_at(40)
    talk.play(6)
    assert ids(talk.playlist().full) == []


def test_what_is_listed_again_after_a_restart_is_in_no_media() -> None:
    talk = Talk()
    talk.play(8)
    said = message(1, 6.5)
    talk.kill()
    talk.live = LivePlaylists(talk.presentation, low_latency=True)
    assert talk.presentation.list_message(said)
    assert ranges(talk.playlist().full) == [date_range_line(said).rstrip("\n")]
    talk.data.clear()
    talk.return_at(10)
    talk.play(4)
    assert not any(b"emsg" in data for data in talk.data.values())
