"""The C extension keeps what the Python promises, and the Python can do without it."""

from __future__ import annotations

import copy
import dataclasses
import gc
import mmap
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.media import PythonSample, Sample
from segmenter.native_choice import native

ROOT = Path(__file__).parents[2]
FIELDS = [field.name for field in dataclasses.fields(PythonSample)]

needs_native = pytest.mark.skipif(native is None, reason="no compiler was at hand")

contents = st.fixed_dictionaries(
    {
        "track": st.text(max_size=3),
        "dts": st.integers(-(1 << 63), (1 << 63) - 1),
        "pts": st.integers(-(1 << 63), (1 << 63) - 1),
        "data": st.binary(max_size=5),
        "is_sync": st.booleans(),
    },
    optional={
        "duration": st.integers(-(1 << 63), (1 << 63) - 1),
        "discontinuity": st.booleans(),
        "captured_utc": st.floats(allow_nan=False),
    },
)


@given(contents)
def test_a_sample_has_the_fields_and_the_words_of_its_specification(
    content: dict[str, object],
) -> None:
    ours, said = Sample(**content), PythonSample(**content)  # type: ignore[arg-type]
    assert [getattr(ours, name) for name in FIELDS] == [getattr(said, name) for name in FIELDS]
    assert repr(ours) == repr(said)
    assert (ours.size_bytes, bytes(ours.payload)) == (said.size_bytes, said.payload)
    for again in (copy.copy(ours), pickle.loads(pickle.dumps(ours)), dataclasses.replace(ours)):
        assert again == ours


@given(contents, contents)
def test_samples_are_equal_when_their_specifications_are(
    one: dict[str, object], two: dict[str, object]
) -> None:
    for other in (one, two, one | {"dts": 0}, one | {"data": b"x"}, one | {"track": "é"}):
        equal = PythonSample(**one) == PythonSample(**other)  # type: ignore[arg-type]
        assert (Sample(**one) == Sample(**other)) is equal  # type: ignore[arg-type]
        assert (Sample(**one) != Sample(**other)) is not equal  # type: ignore[arg-type]


def test_a_sample_is_no_key() -> None:
    with pytest.raises(TypeError):
        hash(Sample("source", 0, 0, b"", True))


@needs_native
@pytest.mark.parametrize(
    "content",
    [
        {"dts": 1 << 63},
        {"dts": 1.5},
        {"data": bytearray(b"x")},
        {"data": None},
        {"track": b"source"},
        {"width": 1},
    ],
)
def test_a_sample_of_other_types_is_refused(content: dict[str, object]) -> None:
    usual = {"track": "source", "dts": 0, "pts": 0, "data": b"", "is_sync": True}
    with pytest.raises((TypeError, OverflowError)):
        Sample(**{**usual, **content})


@needs_native
def test_a_payload_outlives_its_sample_and_what_it_was_cut_from() -> None:
    out: list[Sample] = []
    reader = native.TagReader([(9, b"\x27\x01", 5, 2, "source", False, -1, b"")])
    message = (9, 40, 1, bytes(b"\x27\x01\xff\xff\xfe" + b"payload" * 1000))
    assert reader.read_messages([message], 0, 1.5, out) == 1
    payload = out[0].payload
    assert (out[0].pts - out[0].dts, out[0].captured_utc) == (-2, 1.5)
    data = out[0].data
    del out, message, reader
    gc.collect()
    assert payload == data == b"payload" * 1000


RULE = (9, b"\x27\x01", 5, 2, "source", False, -1, b"")


@needs_native
@pytest.mark.parametrize(
    "rule",
    [
        (9, b"123456789", 9, 2, "source", False, -1, b""),
        (9, b"\x27\x01", 1, -1, "source", False, -1, b""),
        (9, b"\x27\x01", 5, 3, "source", False, -1, b""),
        (300, b"\x27\x01", 5, 2, "source", False, -1, b""),
        (9, b"\x27\x01", 5, 2, "source", False, -2, b""),
        (9, b"\x27\x01", 5, 2, 7, False, -1, b""),
        (9,),
        None,
    ],
)
def test_rules_that_could_read_beyond_a_message_are_refused(rule: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        native.TagReader([RULE, rule])  # type: ignore[list-item]


@needs_native
@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(), st.integers(), st.none(),
       st.one_of(st.none(), st.binary(), st.just(b"\x27\x01\x00\x00\x00"))))),
       st.integers(-3, 9))  # fmt: skip
def test_what_is_no_message_of_any_rule_is_left_to_python(items: list[object], at: int) -> None:
    out: list[Sample] = []
    after = native.TagReader([RULE]).read_messages(items, at, 0.0, out)
    assert after - at == len(out)


@needs_native
def test_samples_of_a_view_keep_what_it_shows_alive() -> None:
    tag = bytes(b"\x09\x00\x00\x0c\x00\x00\x07\x00" + bytes(3) + b"\x27\x01\x00\x00\x02payload")
    file, out = mmap.mmap(-1, 2 * len(tag)), list[Sample]()
    file.write(b"?" * len(tag) + tag)
    view = memoryview(file).toreadonly()
    reader = native.TagReader([RULE])
    assert reader.read_tags(view, len(tag), 0, 0.0, out) == 2 * len(tag) + 4
    view.release()
    with pytest.raises(BufferError):
        file.close()
    payload = out[0].payload
    assert (bytes(payload), out[0].data, out[0].size_bytes) == (b"payload", b"payload", 7)
    assert out[0] == Sample("source", 7, 9, b"payload", False)
    del payload
    out.clear()
    file.close()


@needs_native
@pytest.mark.parametrize("data", [None, "text", memoryview(b"0123456789ab")[::2]])
def test_tags_are_read_from_bytes_that_lie_side_by_side(data: object) -> None:
    with pytest.raises((TypeError, BufferError)):
        native.TagReader([RULE]).read_tags(data, 0, 0, 0.0, [])  # type: ignore[arg-type]


@needs_native
@given(st.binary(max_size=60), st.integers(-70, 70))
def test_no_bytes_make_the_reader_of_tags_leave_them(data: bytes, position: int) -> None:
    out: list[Sample] = []
    rules = [(kind, b"", 0, -1, "source", False, 4, b"\x07") for kind in range(64)]
    after = native.TagReader(rules).read_tags(data, position, 7, 0.0, out)
    assert after == position if not out else after <= len(data) + 4
    assert sum(sample.size_bytes for sample in out) <= max(0, len(data) - position)


PACKAGE = """
import hashlib, sys, tempfile
from pathlib import Path
from bench.package_flv import package
from segmenter.native_choice import native
with tempfile.TemporaryDirectory() as place:
    package(Path(sys.argv[1]), Path(place), 0.2)
    files = sorted(file for file in Path(place).rglob("*") if file.is_file())
    whole = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
print(native is not None, len(files), whole)
"""


@pytest.mark.slow
def test_a_recording_is_packaged_alike_with_and_without_the_extension() -> None:
    clip = next((ROOT / "media-samples").glob("*.flv"))
    said = []
    for environment in ({}, {"HEADWATER_PURE_PYTHON": "1"}):
        run = subprocess.run(
            [sys.executable, "-c", PACKAGE, str(clip)],
            env=os.environ | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        said.append(run.stdout.split())
    assert said[1][0] == "False"
    assert said[0][1:] == said[1][1:]
    assert int(said[0][1]) > 4
