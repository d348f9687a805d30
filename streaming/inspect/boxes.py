"""A file of boxes: its tree, and what CMAF demands of its init section and its fragments."""

from __future__ import annotations

from collections.abc import Sequence

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import MediaError
from segmenter.fmp4.box_text import describe_box
from segmenter.fmp4.box_tree import Box
from segmenter.fmp4.checks import check_init, check_segment
from segmenter.fmp4.reader import InitTrack, read_boxes, read_fragments, read_init_tracks
from segmenter.media import MediaType, Track
from streaming.inspect.report import Node, Report, UnreadableError

_FRAGMENT_BOXES = ("styp", "sidx", "prft", "emsg", "moof")


def inspect_boxes(report: Report, data: bytes, where: str) -> None:
    """An MP4: an init section, fragments, or both. Raises UnreadableError when it is none."""
    try:
        boxes = read_boxes(data)
    except MediaError as error:
        raise UnreadableError(f"{where}: not a file of boxes: {error}") from error
    add_boxes(report.tree, boxes)
    has_init = any(box.name == "moov" for box in boxes)
    cut = next((box.offset for box in boxes if box.name in _FRAGMENT_BOXES), len(data))
    if not has_init and cut == len(data):
        raise UnreadableError(f"{where}: neither moov nor moof in it")
    if not has_init:
        report.note("C2", where, "no init section in it: its samples were not looked at")
        return
    report.add_lines(check_init(data[:cut]), where)
    if cut < len(data):
        _inspect_fragments(report, data[:cut], data[cut:], where)


def _inspect_fragments(report: Report, init: bytes, data: bytes, where: str) -> None:
    try:
        tracks = read_init_tracks(init)
    except MediaError:
        return  # check_init has said it
    for track in tracks:
        # A file of several tracks breaks C1, which is said; the rest of it is none of C2.
        if len(tracks) == 1:
            report.add_lines(check_segment(data, track), where)
        _add_samples(report, data, track)


def _add_samples(report: Report, data: bytes, track: InitTrack) -> None:
    try:
        samples = read_fragments(data, track)
    except MediaError:
        return
    plain = track.track
    if samples:
        seconds = (samples[-1].dts + samples[-1].duration - samples[0].dts) / plain.timescale
        syncs = sum(sample.is_sync for sample in samples)
        report.tree.add(
            f"{len(samples)} samples, {syncs} sync, {seconds:.3f} s from "
            f"{samples[0].dts / plain.timescale:.3f} s: {describe_track_shortly(plain)}"
        )


def add_boxes(node: Node, boxes: Sequence[Box]) -> None:
    """The tree of boxes below a node."""
    for box in boxes:
        add_boxes(node.add(describe_box(box)), box.children)


def describe_track_shortly(track: Track) -> str:
    """Such as ``avc1.64001f 1280x720`` or ``mp4a.40.2 48000 Hz 2 channels``."""
    try:
        codecs = codec_string(track)
    except MediaError:
        codecs = track.codec.value
    if track.media_type is MediaType.VIDEO:
        return f"{codecs} {track.width}x{track.height}"
    return f"{codecs} {track.sample_rate} Hz {track.channels} channels"
