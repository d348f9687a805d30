"""`headwater probe` says what a source is and what should change before it goes live."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streaming.cli import app
from streaming.errors import RemoteError
from streaming.probe import ProbeReport, probe

SAMPLES = Path(__file__).parents[2] / "media-samples"


def probed(name: str) -> ProbeReport:
    return probe(str(SAMPLES / name), 30.0)


def advice_on(name: str) -> str:
    return " ".join(probed(name).advice)


def test_a_good_source_gets_no_advice() -> None:
    report = probed("two-second-gop.mp4")
    assert report.advice == ()
    video, audio = report.tracks
    assert (video.name, audio.name) == ("source", "audio")
    assert video.longest_gop_s == pytest.approx(2.0, abs=0.05)
    assert video.codec_string.startswith("avc1.")
    assert audio.codec_string == "mp4a.40.2"
    assert video.bitrate > audio.bitrate > 0


def test_a_long_gop_is_told_with_what_to_set() -> None:
    assert "set the key frame interval to 2 s" in advice_on("long-gop.mp4")


def test_b_frames_are_found() -> None:
    assert probed("b-frames.mp4").tracks[0].reorders
    assert "B-frames" in advice_on("b-frames.mp4")
    assert not probed("two-second-gop.mp4").tracks[0].reorders


def test_a_variable_frame_rate_is_found_and_milliseconds_are_none() -> None:
    assert "variable frame rate" in advice_on("vfr.mp4")
    assert "variable frame rate" not in advice_on("two-second-gop.flv")


def test_a_codec_that_browsers_lack_is_said_to_be_encoded() -> None:
    assert "few browsers play HEVC" in advice_on("hevc.mp4")


def test_missing_kinds_are_told() -> None:
    assert "no video" in advice_on("audio-only.mp4")
    assert "no audio" in advice_on("video-only.mp4")


def test_only_so_many_seconds_are_read() -> None:
    assert probe(str(SAMPLES / "two-second-gop.mp4"), 1.0).tracks[0].duration_s < 1.5


def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"\0" * 1000)
    for source in (tmp_path / "none.mp4", noise):
        with pytest.raises(RemoteError) as failed:
            probe(str(source), 1.0)
        assert "\n" not in str(failed.value)


def test_the_command_prints_json_for_programs() -> None:
    result = CliRunner().invoke(app, ["probe", str(SAMPLES / "hevc.mp4"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["tracks"][0]["codec"] == "h265"


def test_the_command_prints_a_table_and_advice_for_people() -> None:
    result = CliRunner().invoke(app, ["probe", str(SAMPLES / "long-gop.mp4")])
    assert result.exit_code == 0
    assert "source" in result.stdout
    assert "key frame interval" in " ".join(result.stdout.split())


def test_the_command_fails_with_status_1_where_nothing_can_be_read() -> None:
    result = CliRunner().invoke(app, ["probe", str(SAMPLES / "none.mp4")])
    assert result.exit_code == 1


def test_secrets_of_a_source_are_not_printed() -> None:
    result = CliRunner().invoke(app, ["probe", "rtsp://tom:secret@127.0.0.1:9/x"])
    assert result.exit_code == 1
    assert "secret" not in result.output
