"""The commands: `pybus`, `pybus-send` and `pybus-listen`.

Each is a thin shell around the blocking client. Importing is part of a command's run time, so what
only some options need is imported where it is needed.
"""
