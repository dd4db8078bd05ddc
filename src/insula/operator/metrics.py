"""What the operator counts, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_LOOK_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._looks = Histogram(
            "insula_operator_look_seconds",
            "Duration of one look at one home, by its result.",
            ["result"],
            buckets=_LOOK_BUCKETS,
            registry=self.registry,
        )
        self._calls = Histogram(
            "insula_operator_api_call_seconds",
            "Duration of calls of the API server, by verb and resource.",
            ["verb", "resource"],
            buckets=_LOOK_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "insula_operator_api_answers_total",
            "Answers of the API server, by verb, resource and HTTP status (0: none).",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._lost = Counter(
            "insula_operator_watch_lost_total",
            "Watches that lost their connection, by resource and reason: expired, silent or failed.",
            ["resource", "reason"],
            registry=self.registry,
        )

    def count_look(self, result: str, seconds: float) -> None:
        """Count one look at one home."""
        self._looks.labels(result).observe(seconds)

    def count_call(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count one call of the API server."""
        self._answers.labels(verb, resource, str(status)).inc()
        if verb != "watch":
            self._calls.labels(verb, resource).observe(seconds)

    def count_lost(self, resource: str, reason: str) -> None:
        """Count one lost watch."""
        self._lost.labels(resource, reason).inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when it is asked for."""
        self.registry.register(_Gauges(name, text, "", lambda: {"": read()}))

    def gauges(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish values by one label that are read when they are asked for."""
        self.registry.register(_Gauges(name, text, label, read))


class _Gauges(Collector):
    def __init__(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._name, self._text, self._label, self._read = name, text, label, read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=[self._label] if self._label else None)
        for label, value in self._read().items():
            family.add_metric([label] if self._label else [], value)
        yield family
