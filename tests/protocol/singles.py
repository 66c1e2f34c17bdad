"""Frames one by one: what a stream holds, however the reader gathered it into runs."""

from pybus.protocol.frames import FrameReader, Run


def singles(runs: list[Run]) -> list[Run]:
    """Each frame of the runs as a run of one, in order; checks that a run tells the truth about itself."""
    found: list[Run] = []
    for run in runs:
        data = run[6]
        parts: list[Run] = []
        while data:
            length = int.from_bytes(data[:4], "little")
            parts += FrameReader(length).feed(data[:length])
            data = data[length:]
        assert len(parts) == run[7]
        assert {part[:4] for part in parts} == {run[:4]}
        assert {part[5] for part in parts} == {run[5]}
        assert parts[-1][4] == run[4]
        found += parts
    return found
