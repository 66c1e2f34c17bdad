"""The units as they are installed, for `importlib.resources`; without this file an editable install has none."""
