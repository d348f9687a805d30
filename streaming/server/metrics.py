"""/metrics, /healthz and /readyz, from the records the processes send each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, get_args

from aiohttp.web import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from streaming.server.answers import text_response
from streaming.shelf_messages import DeliveryStatistics, Metric, PathPhase, PathState, Totals

CONTENT_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"

Single = CounterMetricFamily | GaugeMetricFamily
Family = Single | HistogramMetricFamily


class RecordCollector(Collector):
    """Turns records into samples when /metrics is asked; counts nothing itself."""

    def __init__(
        self, totals: Totals, metrics: Sequence[Metric], paths: Mapping[str, PathState]
    ) -> None:
        self._totals = totals
        self._metrics = metrics
        self._paths = paths

    def collect(self) -> Iterator[Family]:
        """All families."""
        yield from _delivery_families(self._totals)
        yield from _path_families(self._paths.values(), self._totals)
        yield from _origin_families(self._metrics)


def metrics_response(
    totals: Totals, metrics: Sequence[Metric], paths: Mapping[str, PathState]
) -> Response:
    """The answer of /metrics in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RecordCollector(totals, metrics, paths))
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    return Response(body=generate_latest(registry), headers=headers)


def health_response() -> Response:
    """The process answers, so it is alive."""
    return text_response(200, "ok\n")


def ready_response(*, draining: bool) -> Response:
    """200 while requests are welcome; 503 tells a load balancer to look elsewhere."""
    return text_response(503, "draining\n") if draining else text_response(200, "ready\n")


def _delivery_families(totals: Totals) -> Iterator[Family]:
    requests = CounterMetricFamily(
        "headwater_http_requests",
        "HTTP answers by kind and status class.",
        labels=["process", "kind", "status"],
    )
    for slot, record in enumerate(totals.delivery):
        for key, count in record.requests.items():
            requests.add_metric([str(slot), *key.split(" ")], count)
    yield requests
    for name, text, kind, field in _DELIVERY_FIELDS:
        family = kind(name, text, labels=["process"])
        for slot, record in enumerate(totals.delivery):
            family.add_metric([str(slot)], float(getattr(record, field)))
        yield family
    restarts = CounterMetricFamily("headwater_http_process_restarts", "Delivery process restarts.")
    restarts.add_metric([], totals.restarts)
    yield restarts


_DELIVERY_FIELDS: Final[tuple[tuple[str, str, type[Single], str], ...]] = (
    ("headwater_http_sent_bytes", "Response bodies sent.", CounterMetricFamily, "sent_bytes"),
    (
        "headwater_http_fast_requests",
        "Answers given by the fast path.",
        CounterMetricFamily,
        "fast_requests",
    ),
    (
        "headwater_http_cut_connections",
        "Connections cut for dawdling.",
        CounterMetricFamily,
        "refused_connections",
    ),
    ("headwater_http_connections", "Open connections.", GaugeMetricFamily, "open_connections"),
    (
        "headwater_http_loop_lag_seconds",
        "Worst event loop delay of the last second.",
        GaugeMetricFamily,
        "loop_lag_s",
    ),
    ("headwater_shelf_resources", "URLs served now.", GaugeMetricFamily, "resources"),
    (
        "headwater_shelf_bytes",
        "Playlists and init sections held.",
        GaugeMetricFamily,
        "resource_bytes",
    ),
    ("headwater_cache_bytes", "Media kept ready.", GaugeMetricFamily, "cached_bytes"),
    ("headwater_cache_hits", "Media that were kept ready.", CounterMetricFamily, "cache_hits"),
    ("headwater_cache_misses", "Media read from the store.", CounterMetricFamily, "cache_misses"),
    ("headwater_waiting_requests", "Requests blocked now.", GaugeMetricFamily, "waiting"),
    ("headwater_waits_served", "Blocked requests answered.", CounterMetricFamily, "waits_served"),
    ("headwater_waits_late", "Blocked requests given up.", CounterMetricFamily, "waits_late"),
)
assert all(hasattr(DeliveryStatistics, f[3]) for f in _DELIVERY_FIELDS)


def _path_families(paths: Iterable[PathState], totals: Totals) -> Iterator[Family]:
    phase = GaugeMetricFamily(
        "headwater_path_state", "1 for the path's state.", labels=["path", "state"]
    )
    watching = GaugeMetricFamily(
        "headwater_path_viewers", "Viewers of the last seconds.", labels=["path"]
    )
    by = GaugeMetricFamily(
        "headwater_path_protocol_viewers",
        "The same by protocol; who plays by two counts in both.",
        labels=["path", "protocol"],
    )
    received = CounterMetricFamily(
        "headwater_path_ingest_bytes", "Received from the publisher.", labels=["path"]
    )
    rate = GaugeMetricFamily(
        "headwater_path_ingest_bits_per_second", "Received lately.", labels=["path"]
    )
    window = GaugeMetricFamily(
        "headwater_path_window_seconds", "Length of the live window.", labels=["path"]
    )
    for state in paths:
        for name in get_args(PathPhase):
            phase.add_metric([state.path, name], float(name == state.state))
        watching.add_metric([state.path], totals.viewers.get(state.path, 0))
        for protocol, count in totals.viewers_by.get(state.path, {}).items():
            by.add_metric([state.path, protocol], count)
        received.add_metric([state.path], state.ingest_bytes)
        rate.add_metric([state.path], state.ingest_bps)
        window.add_metric([state.path], state.window_s)
    yield from (phase, watching, by, received, rate, window)


def _origin_families(metrics: Iterable[Metric]) -> Iterator[Family]:
    families: dict[str, Family] = {}
    for metric in metrics:
        labels = list(metric.labels)
        family = families.get(metric.name)
        if family is None:
            family = _KINDS[metric.kind](metric.name, metric.help, labels=labels)
            families[metric.name] = family
        values = [metric.labels.get(name, "") for name in labels]
        if isinstance(family, HistogramMetricFamily):
            buckets = [
                ("+Inf" if math.isinf(bound) else str(bound), count)
                for bound, count in metric.buckets
            ]
            family.add_metric(values, buckets, metric.value)
        else:
            family.add_metric(values, metric.value)
    yield from families.values()


_KINDS: Final[dict[str, type[Family]]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
