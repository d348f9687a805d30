"""/metrics of a whole origin, what is written about it, and the Grafana dashboard that asks it."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streaming.cpu_priority import HIGH_STEPS
from tests.described import Described
from tests.grafana import queries
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIG = """
[paths.demo]
source = "test:?width=320&height=180&bitrate_kbps=300"
ladder = [{ name = "source", copy = true }, { name = "90p", height = 90, bitrate_kbps = 80 }]
[[webhooks]]
name = "ops"
url = "http://127.0.0.1:9/nobody"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
"""
WITHIN_S: Final = 40.0
CAP_SYS_NICE: Final = 23
LABELS: Final = {
    "path", "state", "reason", "rendition", "rung", "process", "kind", "status", "protocol",
    "webhook", "le", "priority",
}  # fmt: skip
"""All there are: each has a bounded number of values."""
SCRAPED: Final = {"job", "instance"}
"""Labels that Prometheus adds."""

_NAME: Final = re.compile(r"\bheadwater_\w+")
_MATCHERS: Final = re.compile(r"\b(headwater_\w+)\{([^}]*)\}")
_BY: Final = re.compile(r"\bby \(([^)]*)\)")
_RATE: Final = re.compile(r"\b(rate|increase)\((headwater_\w+)")
CPU_OF_WORKERS: Final = "headwater_path_worker_cpu_seconds"
"""A gauge by type, as it begins anew with each worker; rate() takes that as it takes counters."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One that encodes, has viewers' protocols and a webhook, so that all metrics are there."""
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "90p", 2)
        running.get("/demo/index.m3u8")
        refuse_a_message(running)
        deadline = time.monotonic() + WITHIN_S
        wanted = ("encoder_frames_per_second{", "webhook_pending{", "protocol_viewers{",
                  "latency_seconds_bucket{", "rendition_bits_per_second{",
                  "messages_refused_total{", "send_threads{")  # fmt: skip
        while not all(one in scrape(running) for one in wanted):
            assert time.monotonic() < deadline, scrape(running)
            running.get("/demo/index.m3u8")
            time.sleep(0.5)
        yield running


def refuse_a_message(origin: OriginProcess) -> None:
    """Counted from the first on, by status."""
    request = urllib.request.Request(
        origin.url("/api/v1/paths/nobody/metadata"), b'{"data": {}}',
        {"Content-Type": "application/json"},
    )  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(request, timeout=20)


def scrape(origin: OriginProcess) -> str:
    return origin.get("/metrics").decode()


def series(text: str) -> dict[str, set[str]]:
    """Names as queries have them, each with its labels."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] |= sample.labels.keys()
    return dict(found)


def test_every_query_of_the_dashboard_finds_what_it_names(origin: OriginProcess) -> None:
    there = series(scrape(origin))
    assert len(queries()) > 50
    for panel, query, legend in queries():
        names = _NAME.findall(query)
        assert names, panel
        assert query.count("(") == query.count(")"), panel
        known = set[str]()
        for name in names:
            assert name in there, f"{panel}: {name} is no metric"
            known |= there[name]
        for name, matchers in _MATCHERS.findall(query):
            for label in re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers):
                assert label in there[name] | SCRAPED, f"{panel}: {name} has no {label}"
        for labels in _BY.findall(query):
            assert {one.strip() for one in labels.split(",")} <= known, panel
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= known, panel
        for function, name in _RATE.findall(query):
            is_counter = name.endswith(("_total", "_bucket")) or name == CPU_OF_WORKERS
            assert is_counter, f"{panel}: {function}({name})"


def totals(origin: OriginProcess) -> dict[str, float]:
    """The sum of each name's series, those of histograms by bucket left out."""
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(scrape(origin)):
        for sample in family.samples:
            if "le" not in sample.labels:
                found[sample.name.removeprefix("headwater_")] += sample.value
    return found


def test_figures_go_with_what_happens(origin: OriginProcess) -> None:
    before = totals(origin)
    segment = origin.wait_segments("demo", "source", 2)[-1]
    body = origin.get(segment)
    newest = int(segment.rpartition("/")[2].partition(".")[0])
    origin.get(f"/demo/source/index.m3u8?_HLS_msn={newest + 2}&_HLS_part=0")  # which waits
    least = {
        "http_sent_bytes_total": len(body),
        "http_requests_total": 2,
        "waits_served_total": 1,
        "path_ingest_bytes_total": 10_000,
        "path_parts_total": 5,
        "path_segments_total": 2,
        "path_segment_bytes_total": 10_000,
        "path_playlist_renders_total": 2,
        "path_worker_cpu_seconds": 0.001,
        "path_availability_latency_seconds_count": 5,
        "webhook_failed_attempts_total": 0,
        "events_emitted_total": 0,
    }
    deadline = time.monotonic() + WITHIN_S
    while True:
        now = totals(origin)
        behind = {name for name, rise in least.items() if now[name] - before[name] < rise}
        if not behind:
            break
        assert time.monotonic() < deadline, behind
        time.sleep(0.5)
    assert 0 < now["path_encoder_frames_per_second"] < 60, "of its one rung"
    assert now["path_protocol_viewers"] >= 1
    assert now["webhook_pending"] >= 1
    assert 0 <= now["loop_lag_seconds"] < 10


def test_a_path_s_record_has_what_is_sent_made_and_watched_and_what_that_costs(
    origin: OriginProcess,
) -> None:
    origin.get("/demo/index.m3u8")
    record = origin.wait_record("demo", lambda one: one["viewers_by"].get("hls", 0) > 0)
    tracks = {one.get("kind", "video"): one for one in record["tracks"]}
    assert (tracks["video"]["width"], tracks["video"]["height"]) == (320, 180)
    assert tracks["audio"]["sample_rate"] == 48_000
    made = {one["name"]: one for one in record["renditions"] if one.get("kind") != "audio"}
    assert {name: (one["height"], one.get("copied", False)) for name, one in made.items()} == {
        "source": (180, True), "90p": (90, False),
    }  # fmt: skip
    for one in made.values():
        assert 10_000 < one["measured_bps"] < 2_000_000
        assert 10 < one["measured_fps"] < 40
        assert 0 < one["latency_s"] < 5
    assert record["ingest_bps"] > 10_000
    assert record["worker"]["cpu_s"] > 0
    assert record["worker"]["rss_bytes"] > 10_000_000
    assert record["viewers"] >= 1
    assert record["details"]["state"] == "live"
    Described(json.loads(origin.get("/api/v1/openapi.json"))).check(
        "GET", "/api/v1/paths/demo", 200, record
    )


def test_the_documentation_lists_all_metrics_with_their_labels_and_no_others(
    origin: OriginProcess,
) -> None:
    written = {
        name: (kind, {one.strip() for one in labels.split(",") if one.strip()})
        for name, kind, labels in re.findall(
            r"^\| `(headwater_\w+)` \| (\w+) \| ([\w, ]*) \|",
            (ROOT / "docs" / "metrics.md").read_text(), re.M,
        )
    }  # fmt: skip
    told = {}
    for family in text_string_to_metric_families(scrape(origin)):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {key for sample in family.samples for key in sample.labels} - {"le"}
        told[name] = (family.type, labels)
        assert family.documentation, name
    assert written == told


def test_labels_are_words_and_names_of_ours_alone(origin: OriginProcess) -> None:
    for name, labels in series(scrape(origin)).items():
        assert labels <= LABELS, name
    assert "127.0.0.1" not in scrape(origin)


def test_threads_that_send_have_the_priority_that_is_told(origin: OriginProcess) -> None:
    process = origin.child("streaming.rtc.process")
    threads = [int(one.name) for one in Path(f"/proc/{process}/task").iterdir()]
    nices = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
    raised = nices.count(os.getpriority(os.PRIO_PROCESS, process) - HIGH_STEPS)
    rights = re.search(r"^CapBnd:\s+(\w+)", Path("/proc/self/status").read_text(), re.M)
    if os.geteuid() == 0 and rights is not None and int(rights[1], 16) >> CAP_SYS_NICE & 1:
        assert raised
    told = f'webrtc_send_threads{{priority="high"}} {raised}' if raised else 'priority="usual"'
    assert told in scrape(origin)


def test_queries_in_the_documentation_find_what_they_name(origin: OriginProcess) -> None:
    there = series(scrape(origin))
    for query in re.findall(r"^\| `([^`]*headwater_[^`]*[>=]=? ?[\d.]+)`",
                            (ROOT / "docs" / "metrics.md").read_text(), re.M):  # fmt: skip
        assert set(_NAME.findall(query)) <= there.keys(), query
