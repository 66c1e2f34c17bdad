"""Targets: each leg is held against its own limit, beside the peer that the target names."""

import pytest

from tests.bench.figures import LEGS, MEASURES
from tests.bench.targets import TARGETS, outcomes
from tests.bench.test_record import record

Rounds = dict[str, dict[str, list[float]]]


@pytest.mark.parametrize(
    ("rounds", "reached"),
    [
        (
            {"signals_64k": {"pybus": [20.0], "pybus-compiled": [30.0], "dbus-broker": [20.0], "redis": [40.0]}},
            [
                ("signals 1 to 1, 64 KiB, times dbus-broker's", "pybus", 1.0, True),
                ("signals 1 to 1, 64 KiB, times the best peer's", "pybus-compiled", 0.75, False),
            ],
        ),
        (
            {"roundtrip_p50": {"pybus": [30.0, 40.0], "dbus-broker": [20.0, 40.0]}},
            [("round trip, p50, times dbus-broker's", "pybus", 1.2, False)],
        ),
        (
            {"python_to_python": {"pybus (asyncio)": [90.0], "pybus (blocking)": [10.0], "zmq (pyzmq)": [45.0]}},
            [("Python to Python, times the best peer's", "pybus", 2.0, True)],
        ),
        (
            {"queue_persistent": {"pybus-compiled": [30_000], "rabbitmq (pika)": [8000], "rabbitmq (aio-pika)": [500]}},
            [
                ("persistent messages confirmed, a second", "pybus-compiled", 30_000, True),
                ("persistent messages confirmed, times RabbitMQ's", "pybus-compiled", 3.75, False),
            ],
        ),
        (
            {"matching_1": {"pybus": [10.0, 20.0]}, "matching_1000000": {"pybus": [9.0, 18.0], "nats": [1.0, 1.0]}},
            [("signals beside 1 000 000 patterns, times beside 1", "pybus", 0.9, True)],
        ),
        (
            {"export_call_p50": {"dbus-daemon": [30.0]}, "export_bare_p50": {"dbus-daemon": [10.0]}},
            [("the same call on dbus-daemon, times a bare one", "pybus", 3.0, False)],
        ),
        (
            {"export_wait": {"dbus-daemon": [30.0, 120.0], "dbus-broker": [10.0, 20.0]}},
            [("the exporter's longest wait in a burst, ms", "pybus", 120.0, False)],
        ),
        ({"wake_ups": {"pybus": [0.0], "nats": [0.0]}}, [("wake-ups of the idle daemon", "pybus", 0.0, True)]),
        ({"signals_1_1": {"nats": [5.0]}, "signals_1_8": {"pybus": [5.0]}}, []),
    ],
)
def test_what_a_leg_reached(rounds: Rounds, reached: list[tuple[str, str, float, bool]]) -> None:
    found = [(one.target.text, one.leg, round(one.value, 9), one.met) for one in outcomes(record(rounds).figures)]
    assert found == reached


def test_each_target_is_shown_once_all_is_measured() -> None:
    """So that a measure that gets another name does not take its target with it unseen."""
    peers = ["nats", "redis", "dbus-daemon", "dbus-broker (dbus-fast)", "dbus-broker", "rabbitmq"]
    figures = record({measure: {who: [1.0] for who in [*LEGS, *peers]} for measure in MEASURES}).figures
    shown = [(one.target.text, one.leg) for one in outcomes(figures)]
    assert shown == [(target.text, leg) for target in TARGETS for leg in LEGS if target.limit(leg) is not None]


def test_targets_fit_into_their_column() -> None:
    assert [target.text for target in TARGETS if len(target.text) > 50] == []
