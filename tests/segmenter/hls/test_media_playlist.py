"""Media playlists: what is listed, in which tags; standards.md A1 by number."""

from __future__ import annotations

import pytest

from segmenter.errors import UsageError
from tests.conftest import Golden
from tests.segmenter.made_anew import render_media_playlist
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, Stage, audio, video


def playlist(stage: Stage, name: str = "source") -> str:
    return render_media_playlist(stage.presentation.renditions[name])


def test_a_live_playlist_is_the_golden_one(golden: Golden) -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), audio())
    golden("hls_live_source.m3u8", playlist(stage))
    golden("hls_live_audio.m3u8", playlist(stage, "audio"))


def test_a_returning_publisher_is_the_golden_discontinuity(golden: Golden) -> None:
    stage = Stage(SOURCE, SMALL, AUDIO)
    small = [SMALL]
    stage.push(video(), video(*small), audio())
    stage.pause()
    stage.push(video(at=11, breaks=True), video(*small, at=11, breaks=True), audio(at=11))
    stage.end()
    golden("hls_returned_source.m3u8", playlist(stage))
    golden("hls_returned_audio.m3u8", playlist(stage, "audio"))


def test_a_rendition_without_segments_has_no_playlist() -> None:
    stage = Stage(SOURCE)
    stage.push(video(seconds=1))
    with pytest.raises(UsageError, match="source"):
        playlist(stage)
