"""Shape and colours of pixels, on their way from a codec configuration to players."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import pytest

from segmenter.codecs.pixels import pixels_of, video_range
from segmenter.fmp4.init_section import write_init_section
from segmenter.hls.multivariant_playlist import render_multivariant_playlist
from segmenter.media import Codec, Sample, Track
from tests.segmenter.dash.judges import validate
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.made_anew import render_mpd
from tests.segmenter.stage import SOURCE, Stage, video
from tests.streaming.transcode.clips import steady, video_clip


def source(codec: Codec, **tags: int | Fraction) -> tuple[Track, bytes]:
    """A track of the stage's size and its first picture, as an encoder that was told so has it."""
    clip = video_clip(steady(1, 30), size=(1280, 720), codec=codec, frame_rate=30, **tags)
    return clip.track, clip.samples[0].data


def played(track: Track, picture: bytes) -> Any:
    """The video stream as FFmpeg finds it in what we write."""
    sample = Sample(track.name, 0, 0, picture, True, 3000)
    file = write_init_section(track) + write_chunk(track, [sample], 1)
    with av.open(io.BytesIO(file)) as container:
        return container.streams.video[0]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pixels_that_are_not_square_are_said_to_be_so_in_the_init_section(codec: Codec) -> None:
    """Decoders in hardware need not tell a player what the bitstream says of it."""
    track, picture = source(codec, sample_aspect_ratio=Fraction(4, 3))
    assert pixels_of(track.codec, track.codec_config).sample_aspect_ratio == Fraction(4, 3)
    init = write_init_section(track)
    shape = init.index(b"pasp")
    assert init[shape + 4 : shape + 12] == bytes((0, 0, 0, 4, 0, 0, 0, 3))
    shown = init.index(b"tkhd") + 4 + 76
    assert init[shown : shown + 8].hex() == "06aaaaab" + "02d00000", "1706.67 by 720"
    assert played(track, picture).sample_aspect_ratio == Fraction(4, 3)


def test_of_square_pixels_nothing_is_said() -> None:
    assert b"pasp" not in write_init_section(SOURCE)


@pytest.mark.parametrize(
    ("transfer", "says"),
    [(16, "PQ"), (18, "HLG"), (14, "SDR"), (1, "SDR")],
    ids=["SMPTE 2084", "ARIB B67", "BT.2020", "BT.709"],
)
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_high_dynamic_range_is_told_to_players(codec: Codec, transfer: int, says: str) -> None:
    """Without VIDEO-RANGE a variant is SDR (RFC 8216bis 4.4.6.2)."""
    track, _ = source(codec, color_primaries=9, color_trc=transfer, colorspace=9)
    assert video_range(track.codec, track.codec_config) == says
    stage = Stage(track)
    stage.push(video(track))
    playlist = render_multivariant_playlist(stage.presentation)
    assert (f",VIDEO-RANGE={says}\n" in playlist) == (says != "SDR")
    assert "VIDEO-RANGE=SDR" not in playlist
    manifest = render_mpd(stage.presentation, stage.now, "/time")
    validate(manifest)
    code = {"PQ": 16, "HLG": 18}.get(says)
    property_ = f'schemeIdUri="urn:mpeg:mpegB:cicp:TransferCharacteristics" value="{code}"'
    assert (property_ in manifest) == (says != "SDR")
