"""What pulled containers become: tracks, canonical access units, ticks of 90 kHz."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from segmenter.codecs import h264
from segmenter.media import Codec, Sample
from streaming.errors import ConfigError, RemoteError
from streaming.ingest.demux import Demuxer, open_input, read_packets, scheme_of
from streaming.ingest.pacing import Tracks

CLIPS = Path(__file__).parents[3] / "media-samples"


def demux(path: Path | str) -> tuple[list[Tracks], list[Sample]]:
    with open_input(str(path)) as container:
        demuxer = Demuxer(container)
        items = [i for p in read_packets(container, demuxer.streams) for i in demuxer.push(p)]
        items += demuxer.flush()
    return [i for i in items if isinstance(i, tuple)], [i for i in items if isinstance(i, Sample)]


def remux(source: Path, target: Path, **options: str) -> Path:
    """The same packets in another container."""
    with av.open(source) as read, av.open(target, "w", options=options) as write:
        streams = {s.index: write.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                write.mux(packet)
    return target


def make_clip(path: Path, video: str, audio: str, seconds: int = 2) -> Path:
    """A moving grey ramp and a tone, in codecs of choice; "" leaves one out."""
    with av.open(path, "w") as out:
        picture = sound = None
        if video:
            picture = out.add_stream(video, rate=25)
            picture.width, picture.height, picture.pix_fmt = 160, 90, "yuv420p"
            picture.bit_rate = 200_000
        if audio:
            sound = out.add_stream(audio, rate=48_000)
            sound.layout = "stereo"
        for index in range(25 * seconds if picture else 0):
            ramp = (np.arange(160, dtype=np.int64) + index * 3) % 255
            rgb = np.repeat(ramp.astype(np.uint8)[None, :, None], 90, axis=0).repeat(3, axis=2)
            out.mux(picture.encode(av.VideoFrame.from_ndarray(rgb)))
        if sound:
            tone = 0.3 * np.sin(np.arange(48_000 * seconds) * 2 * np.pi * 440 / 48_000)
            pcm = (np.stack([tone, tone], axis=1).reshape(1, -1) * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm, "s16", "stereo")
            frame.sample_rate, frame.pts = 48_000, 0
            out.mux(sound.encode(frame))
        for stream in out.streams:
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("clip", "video", "audio"),
    [
        ("two-second-gop.mp4", Codec.H264, Codec.AAC),
        ("two-second-gop.flv", Codec.H264, Codec.AAC),
        ("hevc.mp4", Codec.H265, Codec.AAC),
        ("av1.mp4", Codec.AV1, Codec.AAC),
        ("vp9.mp4", Codec.VP9, Codec.OPUS),
        ("opus.mp4", Codec.H264, Codec.OPUS),
    ],
)
def test_known_codecs_are_copied_with_one_list_of_tracks(
    clip: str, video: Codec, audio: Codec
) -> None:
    (tracks,), samples = demux(CLIPS / clip)
    assert [(t.name, t.codec) for t in tracks] == [("source", video), ("audio", audio)]
    assert (tracks[0].width, tracks[0].height, tracks[0].frame_rate) == (320, 180, 30)
    pictures = [s for s in samples if s.track == "source"]
    assert [s.is_sync for s in pictures[:61]] == [True] + [False] * 59 + [True]


@pytest.mark.parametrize("clip", ["two-second-gop.mp4", "b-frames.mp4", "hevc.mp4"])
def test_a_transport_stream_gives_the_same_samples_as_the_mp4_it_was_made_of(
    clip: str, tmp_path: Path
) -> None:
    (expected_tracks,), expected = demux(CLIPS / clip)
    (tracks,), samples = demux(remux(CLIPS / clip, tmp_path / "clip.ts"))
    assert [(t.name, t.codec, t.width, t.height) for t in tracks] == [
        (t.name, t.codec, t.width, t.height) for t in expected_tracks
    ]
    for name in ("source", "audio"):
        ours = [s for s in samples if s.track == name]
        theirs = [s for s in expected if s.track == name]
        shift = ours[0].dts - theirs[0].dts
        assert [(s.dts - shift, s.pts - shift, s.is_sync) for s in ours] == [
            (s.dts, s.pts, s.is_sync) for s in theirs
        ]
        # Muxers may drop or add SEI and repeat parameter sets; the pictures are the same bytes.
        assert [s.data[-100:] for s in ours] == [s.data[-100:] for s in theirs]


def test_parameter_sets_stay_out_of_samples(tmp_path: Path) -> None:
    _, samples = demux(remux(CLIPS / "two-second-gop.mp4", tmp_path / "clip.ts"))
    for sample in samples:
        if sample.track == "source":
            kinds = {nal[0] & 0x1F for nal in h264.split_length_prefixed(sample.data)}
            assert kinds <= {1, 5, 6}


def test_b_frames_keep_their_composition_offsets() -> None:
    _, samples = demux(CLIPS / "b-frames.mp4")
    offsets = {s.pts - s.dts for s in samples if s.track == "source"}
    assert len(offsets) > 1
    assert all(offset >= 0 and offset % 3_000 == 0 for offset in offsets)


def test_another_size_in_the_middle_makes_another_list_of_tracks() -> None:
    lists, samples = demux(CLIPS / "size-change.flv")
    assert [tracks[0].width for tracks in lists] == [320, 480]
    assert len([s for s in samples if s.track == "source"]) == 120


def test_a_variable_frame_rate_is_unknown() -> None:
    (tracks,), _ = demux(CLIPS / "vfr.mp4")
    assert tracks[0].frame_rate == Fraction(0)


@pytest.mark.parametrize(
    ("video", "audio", "container"),
    [
        ("libvpx", "libmp3lame", "mkv"),
        ("mpeg2video", "mp2", "ts"),
        ("mpeg4", "ac3", "mp4"),
    ],
)
def test_other_codecs_are_encoded_anew_in_their_own_time(
    video: str, audio: str, container: str, tmp_path: Path
) -> None:
    (tracks,), samples = demux(make_clip(tmp_path / f"clip.{container}", video, audio))
    assert [t.codec for t in tracks] == [Codec.H264, Codec.AAC]
    pictures = [s for s in samples if s.track == "source"]
    sound = [s for s in samples if s.track == "audio"]
    assert len(pictures) == 50
    assert {b.dts - a.dts for a, b in itertools.pairwise(pictures)} == {3_600}
    assert pictures[0].is_sync
    assert abs(sound[0].pts - pictures[0].pts) < 9_000
    assert 1.9 < (sound[-1].pts - sound[0].pts) / 90_000 < 2.2
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = tracks[0].codec_config
    assert len([f for s in pictures for f in decoder.decode(av.Packet(s.data))]) >= 48


def test_a_clip_without_sound_is_one_track(tmp_path: Path) -> None:
    (tracks,), _ = demux(CLIPS / "video-only.mp4")
    assert [t.name for t in tracks] == ["source"]


def test_what_is_no_media_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(RemoteError, match=r"noise\.mp4: Invalid data"):
        open_input(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(RemoteError, match=r"nowhere/clip\.mp4: No such file"):
        open_input("nowhere/clip.mp4")


def test_a_refused_connection_is_said() -> None:
    with pytest.raises(RemoteError, match="Connection refused"):
        open_input("rtmp://127.0.0.1:1/live/foo")


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("clip.mp4", "file"),
        ("/some/clip.mp4", "file"),
        ("file:///some/clip.mp4", "file"),
        ("RTSP://camera/1", "rtsp"),
        ("https://host/live/index.m3u8", "https"),
    ],
)
def test_the_scheme_of_a_source_is_recognised(url: str, scheme: str) -> None:
    assert scheme_of(url) == scheme


@pytest.mark.parametrize("url", ["gopher://host/", "concat://a|b", "pipe://0", "srt://host:9000"])
def test_a_scheme_that_we_do_not_pull_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match=url.split(":")[0]):
        scheme_of(url)
