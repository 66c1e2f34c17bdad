"""The bus's numbers in the text format of Prometheus, version 0.0.4.

Counters end in `_total` and times are in seconds, sizes in bytes. Peers are told apart by `name` (the
unique one, which is never used again while the bus runs) and `program`, services by `service`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pybus.cli.text import safe

Entry = dict[str, Any]


class Metric(NamedTuple):
    """One metric. name: without the prefix. key: where the bus's answer has the value."""

    key: str
    name: str
    kind: str
    meaning: str


_BUS = (
    Metric("uptime", "uptime_seconds", "gauge", "Time since the bus started."),
    Metric("peers", "peers", "gauge", "Connections."),
    Metric("names", "names", "gauge", "Well-known names that are owned."),
    Metric("patterns", "patterns", "gauge", "Patterns subscribed to."),
    Metric("routes", "routes", "gauge", "Topics whose receivers are remembered."),
    Metric("retained", "retained_topics", "gauge", "Topics with a retained value."),
    Metric("retained_bytes", "retained_bytes", "gauge", "Size of the retained values."),
    Metric("open_calls", "open_calls", "gauge", "Calls that are not answered yet."),
    Metric("late_answers", "late_answers_total", "counter", "Answers that came after their deadline."),
    Metric("queued_bytes", "queued_bytes", "gauge", "Bytes that wait for peers to read them."),
    Metric("queues", "queues", "gauge", "Queues."),
    Metric("queued_messages", "queue_messages", "gauge", "Messages that wait in queues."),
    Metric("unacked_messages", "queue_unacked_messages", "gauge", "Messages that consumers have and did not ack."),
    Metric("queue_memory", "queue_memory_bytes", "gauge", "Memory that messages in queues take."),
    Metric("received", "received_total", "counter", "Frames from peers."),
    Metric("delivered", "delivered_total", "counter", "Frames to peers."),
    Metric("bytes_received", "received_bytes_total", "counter", "Bytes of frames from peers."),
    Metric("bytes_delivered", "delivered_bytes_total", "counter", "Bytes of frames to peers."),
    Metric("dropped", "dropped_total", "counter", "Signals that a peer missed as it did not read in time."),
    Metric("services", "services", "gauge", "Services that a file describes."),
    Metric("running", "services_running", "gauge", "Services that run."),
    Metric("slowed", "slowed_peers", "gauge", "Connections that are being slowed."),
    Metric("storms", "storms_total", "counter", "Times that a connection began to be slowed."),
    Metric("loops", "loops_total", "counter", "Chains of messages that were cut."),
    Metric("monitors", "monitors", "gauge", "Connections that see everything that passes."),
)
_PEER = (
    Metric("sent", "peer_sent_total", "counter", "Frames from this peer."),
    Metric("received", "peer_received_total", "counter", "Frames to this peer."),
    Metric("bytes_sent", "peer_sent_bytes_total", "counter", "Bytes from this peer."),
    Metric("bytes_received", "peer_received_bytes_total", "counter", "Bytes to this peer."),
    Metric("dropped", "peer_dropped_total", "counter", "Signals that this peer missed as it did not read in time."),
    Metric("queued", "peer_queued_bytes", "gauge", "Bytes that wait for this peer to read them."),
    Metric("answered", "peer_answered_total", "counter", "Calls that this peer answered."),
    Metric("answer_time", "peer_answer_seconds_total", "counter", "Time that this peer took for its answers."),
    Metric("slowed", "peer_slowed", "gauge", "Whether this peer is being slowed."),
    Metric("slowed_seconds", "peer_slowed_seconds_total", "counter", "Time for which this peer was slowed."),
)
_SERVICE = (
    Metric("starts", "service_starts_total", "counter", "Times that this service was started."),
    Metric("failures", "service_failures", "gauge", "Failures of this service in a row."),
)
_STATES = ("stopped", "starting", "running", "stopping", "pausing", "failed")


def exposition(stats: Entry, peers: list[Entry], services: list[Entry]) -> str:
    """All of it as text, from what the bus's methods `stats`, `peers` and `services` answered."""
    form = _labels(version=stats["version"], compiled="yes" if stats["compiled"] else "no")
    lines = _family("info", "gauge", "The version of the bus, and whether it runs compiled.", [(form, 1)])
    for metric in _BUS:
        lines += _family(metric.name, metric.kind, metric.meaning, [("", stats[metric.key])])
    lines += _each(_PEER, peers, lambda peer: _labels(name=peer["name"], program=peer["program"]))
    lines += _each(_SERVICE, services, lambda service: _labels(service=service["name"]))
    states = [
        (_labels(service=service["name"], state=state), service["state"] == state)
        for service in services
        for state in _STATES
    ]
    lines += _family("service_state", "gauge", "1 for the state that this service is in, 0 for the others.", states)
    return "\n".join(lines) + "\n"


def _each(metrics: Iterable[Metric], entries: list[Entry], labels: Callable[[Entry], str]) -> list[str]:
    """Each metric, with a sample for each entry."""
    lines = []
    for metric in metrics:
        samples = [(labels(entry), entry[metric.key]) for entry in entries]
        lines += _family(metric.name, metric.kind, metric.meaning, samples)
    return lines


def _family(name: str, kind: str, meaning: str, samples: list[tuple[str, float]]) -> list[str]:
    """One metric: what it means, and its samples as (labels, value)."""
    head = [f"# HELP pybus_{name} {meaning}", f"# TYPE pybus_{name} {kind}"]
    return head + [f"pybus_{name}{labels} {float(value)!r}" for labels, value in samples]


def _labels(**labels: str) -> str:
    """The labels of a sample.

    Programs choose their names: what can't be printed is escaped as everywhere, so that it does no harm
    on a terminal; then the backslashes and quotes by the rules of the format.
    """
    escaped = {key: safe(value).replace("\\", r"\\").replace('"', r"\"") for key, value in labels.items()}
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped.items()) + "}"
