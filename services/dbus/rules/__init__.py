"""Rules that turn signals and properties of D-Bus into topics, on the session and the system bus.

| rule with | becomes |
|---|---|
| `signal` | an event: each such signal is told |
| `property` | a state: retained, asked for at the start, told when it changes, cleared when its owner goes |
| `method` and `signal` | a state as well, for what is no property: the method is asked, the signal tells its changes |

Nobody on D-Bus is started just to be watched: whoever owns a name is asked by his unique name, by which
nobody can be started. Everything is watched for as long as the service runs, and that runs while
somebody listens.

The files, from pure to shell: `rule` (what is said of what D-Bus says), `settings` (the shipped rules,
`shipped.toml`, and the user's), `board` (whose word counts where several rules have one topic), `owners`
(who owns the names that a rule is about), `state` and `event` (a rule at work), `watching` (all rules
of one bus, which may go away and come back), `outlet` (what waits to be published).
"""
