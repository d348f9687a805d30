"""Multivariant playlists: variants, groups, their attributes and order; standards.md A1."""

from __future__ import annotations

import pytest

from segmenter.errors import UsageError
from segmenter.hls.multivariant_playlist import render_multivariant_playlist
from tests.conftest import Golden
from tests.segmenter.stage import AUDIO, OPUS, SMALL, SOURCE, Stage, audio, video


def playlist(stage: Stage) -> str:
    return render_multivariant_playlist(stage.presentation)


def test_variants_and_audio_are_the_golden_ones(golden: Golden) -> None:
    stage = Stage(SOURCE, SMALL, AUDIO, OPUS)
    stage.push(video(size=12_000), video(SMALL, size=2_000), audio(), audio(OPUS))
    golden("hls_multivariant.m3u8", playlist(stage))


def test_a_rung_without_media_is_not_listed() -> None:
    stage = Stage(SOURCE, SMALL, AUDIO)
    stage.push(video(), audio())
    assert "360p" not in playlist(stage)


def test_nothing_is_listed_before_the_first_media() -> None:
    with pytest.raises(UsageError):
        playlist(Stage(SOURCE))


def test_video_alone_has_no_audio_group() -> None:
    stage = Stage(SOURCE)
    stage.push(video())
    text = playlist(stage)
    assert "EXT-X-MEDIA" not in text
    assert "AUDIO" not in text


def test_audio_alone_is_a_variant_of_its_own() -> None:
    stage = Stage(AUDIO)
    stage.push(audio())
    text = playlist(stage)
    assert "EXT-X-MEDIA" not in text
    assert 'CODECS="mp4a.40.2"\naudio/index.m3u8\n' in text
