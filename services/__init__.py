"""What ships with the bus: ordinary clients of it, which use its public API only.

Each is a folder. What they share is beside them: `serving` (the shell of a service, and how it begins and
publishes), `messages` (what goes out), `templates` (topics in users' rules).
"""
