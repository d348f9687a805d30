"""Segments of low-latency DASH from within: clock references, chunks, messages."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime

import pytest

from segmenter.fmp4.box_tree import read_boxes, records
from segmenter.fmp4.boxes import PRODUCER_TIME_CAPTURED
from segmenter.fmp4.fragment_records import ProducerTime
from segmenter.timed_message import TimedMessage
from tests.segmenter.dash.low_latency_mpd_stage import MpdStage, captured, root, staged
from tests.segmenter.dash.watch import NAMESPACE
from tests.segmenter.stage import AUDIO, SOURCE, START, audio, video


def test_d10_where_prft_is_promised_each_segment_begins_with_it() -> None:
    stage = MpdStage(SOURCE)
    stage.push(captured(video(seconds=12)))
    (reference,) = root(stage).iter(f"{NAMESPACE}ProducerReferenceTime")
    assert reference.attrib["inband"] == "true"
    assert reference.attrib["wallClockTime"] == "2027-01-15T08:00:00.000Z"
    assert int(reference.attrib["presentationTime"]) == START * 90_000
    assert [child.tag for child in reference] == [f"{NAMESPACE}UTCTiming"]
    for segment in stage.segments["source"]:
        boxes = [box.name for box in read_boxes(stage.data["source", segment.name])]
        assert boxes[:3] == ["styp", "prft", "moof"]


def test_d10_segments_say_of_media_and_clock_what_the_manifest_says() -> None:
    stage = MpdStage(SOURCE, AUDIO)
    sound = [replace(s, captured_utc=s.dts / 48_000) for s in audio(seconds=12)]
    stage.push(captured(video(seconds=12)), sound)
    for representation in root(stage).iter(f"{NAMESPACE}Representation"):
        name = representation.attrib["id"]
        (reference,) = representation.findall(f"{NAMESPACE}ProducerReferenceTime")
        assert reference.attrib["type"] == "captured"
        wall_utc = datetime.fromisoformat(reference.attrib["wallClockTime"]).timestamp()
        media_time = int(reference.attrib["presentationTime"])
        for segment in stage.segments[name]:
            (said, *_) = records(read_boxes(stage.data[name, segment.name]), ProducerTime)
            since_s = (said.media_time - media_time) / segment.timescale
            assert said.utc == pytest.approx(wall_utc + since_s, abs=0.001)
            assert said.flags == PRODUCER_TIME_CAPTURED


def test_d10_each_representation_of_a_period_has_a_reference_of_its_own() -> None:
    document = root(staged())
    for period in document.iter(f"{NAMESPACE}Period"):
        ids = [one.get("id") for one in period.iter(f"{NAMESPACE}ProducerReferenceTime")]
        assert len(set(ids)) == len(ids) > 1
        assert document[0][0].get("referenceId") == ids[0]


def test_d10_where_capture_is_unknown_nothing_is_promised_inside_segments() -> None:
    references = root(staged()).iter(f"{NAMESPACE}ProducerReferenceTime")
    assert {reference.get("inband") for reference in references} == {None}


def test_d11_chunks_are_at_most_half_the_target_latency_apart() -> None:
    stage = staged()
    target_s = int(root(stage)[0][0].attrib["target"]) / 1000
    for representation in root(stage).iter(f"{NAMESPACE}Representation"):
        (resync,) = representation.findall(f"{NAMESPACE}Resync")
        (template,) = representation.findall(f"{NAMESPACE}SegmentTemplate")
        assert int(resync.attrib["dT"]) / int(template.attrib["timescale"]) <= target_s / 2


def test_d11_segments_have_several_chunks_and_messages_stand_before_their_media() -> None:
    stage = MpdStage(SOURCE, AUDIO)
    frames, sound = video(seconds=9), audio(seconds=9)
    for number in range(9):
        now_ms = round(stage.now * 1000)
        assert stage.presentation.tell(TimedMessage(f"1-{number}", number, "chat", now_ms, b"{}"))
        stage.push(
            frames[30 * number :][:30], [s for s in sound if s.dts // 48_000 == START + number]
        )
    told = 0
    for name in ("source", "audio"):
        for segment in stage.segments[name]:
            boxes = [box.name for box in read_boxes(stage.data[name, segment.name])]
            assert boxes.count("moof") > 1
            for box, following in itertools.pairwise(boxes):
                assert box != "emsg" or following in ("emsg", "moof")
            told += boxes.count("emsg")
    assert told >= 2 * 8
