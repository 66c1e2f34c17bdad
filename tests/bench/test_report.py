"""The report: from given figures exactly this text, and exactly this Markdown."""

import pytest

from tests.bench.figures import MEASURES
from tests.bench.report import as_markdown, as_text, name_of, number, sections
from tests.bench.test_record import record

BOTH = record(
    {
        "signals_1_1": {
            "nats": [2_000_000, 1_800_000, 2_200_000],
            "pybus": [1_500_000, 1_600_000, 1_400_000],
            "pybus-compiled": [6_100_000, 5_900_000, 6_000_000],
        },
        "call_p50": {
            "pybus (asyncio)": [100.04, 90, 110],
            "pybus (blocking)": [80, 81, 82],
            "dbus-broker (dbus-fast)": [200, 210, 190],
            "dbus-broker (dbus-next)": [400, 400, 400],
        },
        "queue_persistent": {"pybus (blocking)": [30_000, 30_000, 30_000], "redis-always (redis-py)": [15_000]},
        "wake_ups": {"pybus": [0], "nats": [7]},
    },
    left_out=["rabbitmq: rabbitmq-server is not installed"],
    failed=["storm on redis: a process of the measurement ended"],
)

TEXT = """\
measured: 2026-11-28T21:00:00+00:00
scope: quick, 3 rounds taken in turn, of which the medians are shown
machine: cpu i386, cores 2
versions: pybus 1.0, nats-server 2.9
Beside each peer stands how many times better pybus is.

SIGNALS, BYTES IN AND BYTES OUT
signals, 1 to 1, 64 bytes, one topic, a second                  plain   compiled
  pybus compiled                                        6M
  NATS                                                  2M      0.75x      3.05x
  pybus plain                                         1.5M

THROUGH PYTHON CLIENTS
call, p50, us                                                   plain   compiled
  pybus plain (blocking)                                81
  pybus plain (asyncio)                                100
  dbus-broker (dbus-fast)                              200      2.00x
  dbus-broker (dbus-next)                              400      4.00x

QUEUES
persistent messages confirmed, pipelined, a second              plain   compiled
  pybus plain (blocking)                               30k
  Redis always (redis-py)                              15k      2.00x
When they confirm, pybus, RabbitMQ and Redis always have a message on disk;
Redis everysec has it there within a second, NATS jetstream within two minutes.

WHAT IT COSTS
wake-ups while idle                                             plain   compiled
  pybus plain                                            0
  NATS                                                   7

TARGETS
  signals 1 to 1, 64 B, a second                     plain         1.5M  >= 1.2M, met
  signals 1 to 1, 64 B, times NATS's                 compiled      3.05  >= 3, met
  call, p50, times dbus-fast's on dbus-broker        plain          0.5  <= 0.6, met
  persistent messages confirmed, a second            plain          30k  >= 30k, met
  wake-ups of the idle daemon                        plain            0  <= 0, met

Left out: rabbitmq: rabbitmq-server is not installed
Failed: storm on redis: a process of the measurement ended"""

PROMISE = (
    "When they confirm, pybus, RabbitMQ and Redis always have a message on disk; Redis everysec has it there within a "
    "second, NATS jetstream within two minutes."
)

MARKDOWN = f"""\
Measured on 2026-11-28 (quick, 3 rounds taken in turn, of which the medians are shown). Machine: cpu i386, cores 2.

|  | pybus plain | pybus compiled | NATS | Redis | dbus-broker |
| --- | --: | --: | --: | --: | --: |
| signals, 1 to 1, 64 bytes, one topic, a second | 1.5M | 6M | **2M** (0.75x, 3.05x) |  |  |
| call, p50, us | 100 asyncio |  |  |  | **200** dbus-fast (2.00x) |
| persistent messages confirmed, pipelined, a second | 30k blocking |  |  | **15k** always redis-py (2.00x) |  |
| wake-ups while idle | 0 |  | **7** |  |  |

In brackets: how many times better pybus is (plain and compiled), each round beside its own. In bold: the best peer.

{PROMISE}

| target | pybus plain | pybus compiled |
| --- | --: | --: |
| signals 1 to 1, 64 B, a second | 1.5M (>= 1.2M, met) |  |
| signals 1 to 1, 64 B, times NATS's |  | 3.05 (>= 3, met) |
| call, p50, times dbus-fast's on dbus-broker | 0.5 (<= 0.6, met) |  |
| persistent messages confirmed, a second | 30k (>= 30k, met) |  |
| wake-ups of the idle daemon | 0 (<= 0, met) |  |

Versions: pybus 1.0, nats-server 2.9.

Left out: rabbitmq: rabbitmq-server is not installed

Failed: storm on redis: a process of the measurement ended

<details><summary>Signals, bytes in and bytes out</summary>

|  |  | median | times better: plain | times better: compiled |
| --- | --- | --: | --: | --: |
| signals, 1 to 1, 64 bytes, one topic, a second | pybus compiled | 6M |  |  |
|  | NATS | 2M | 0.75x | 3.05x |
|  | pybus plain | 1.5M |  |  |

</details>

<details><summary>Through Python clients</summary>

|  |  | median | times better: plain | times better: compiled |
| --- | --- | --: | --: | --: |
| call, p50, us | pybus plain (blocking) | 81 |  |  |
|  | pybus plain (asyncio) | 100 |  |  |
|  | dbus-broker (dbus-fast) | 200 | 2.00x |  |
|  | dbus-broker (dbus-next) | 400 | 4.00x |  |

</details>

<details><summary>Queues</summary>

|  |  | median | times better: plain | times better: compiled |
| --- | --- | --: | --: | --: |
| persistent messages confirmed, pipelined, a second | pybus plain (blocking) | 30k |  |  |
|  | Redis always (redis-py) | 15k | 2.00x |  |

{PROMISE}

</details>

<details><summary>What it costs</summary>

|  |  | median | times better: plain | times better: compiled |
| --- | --- | --: | --: | --: |
| wake-ups while idle | pybus plain | 0 |  |  |
|  | NATS | 7 |  |  |

</details>"""


def test_the_text_for_a_terminal() -> None:
    assert as_text(BOTH) == TEXT


def test_the_markdown_for_a_readme() -> None:
    assert as_markdown(BOTH) == MARKDOWN


def test_a_missed_target_stands_out() -> None:
    slow = record({"signals_1_1": {"pybus": [1_000_000]}})
    assert as_text(slow).splitlines()[-1] == (
        "  signals 1 to 1, 64 B, a second                     plain           1M  >= 1.2M, MISSED"
    )
    assert "| signals 1 to 1, 64 B, a second | 1M (**>= 1.2M, MISSED**) |" in as_markdown(slow).splitlines()


def test_a_run_without_pybus_compares_nothing() -> None:
    alone = record({"signals_1_1": {"nats": [2_000_000]}})
    assert as_text(alone).splitlines()[4:] == [
        "",
        "SIGNALS, BYTES IN AND BYTES OUT",
        "signals, 1 to 1, 64 bytes, one topic, a second            ".rstrip(),
        "  NATS                                                  2M",
    ]


def test_each_measure_stands_in_one_part_of_the_report() -> None:
    everything = record({measure: {"pybus": [1.0]} for measure in MEASURES})
    shown = [measure for _, measures in sections(everything.figures) for measure in measures]
    assert sorted(shown) == sorted(MEASURES)


@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("pybus", "pybus plain"),
        ("pybus-compiled (asyncio)", "pybus compiled (asyncio)"),
        ("nats (nats-py)", "NATS (nats-py)"),
        ("nats-jetstream (nats-py)", "NATS jetstream (nats-py)"),
        ("zmq-proxy (pyzmq)", "ZeroMQ proxy (pyzmq)"),
        ("dbus-broker (dbus-fast)", "dbus-broker (dbus-fast)"),
        ("redis", "Redis"),
    ],
)
def test_names_are_written_as_people_know_them(who: str, name: str) -> None:
    assert name_of(who) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.8333, "0.833"),
        (24.34, "24.3"),
        (303.4, "303"),
        (1942, "1940"),
        (9999, "10k"),
        (150_400, "150k"),
        (999_600, "1M"),
        (2_900_000, "2.9M"),
        (18_000_000, "18M"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text
