"""Bob's chat client: prints what it sees of alice, a line of JSON each time. Argument: the server's port.

When her message asks for that he writes to her, and prints if that can't be delivered.
"""

import asyncio
import json
import sys

import slixmpp
from slixmpp.stanza import Presence


async def main(port: int) -> None:
    """Until it is killed."""
    client = slixmpp.ClientXMPP("bob@localhost/desk", "bobs secret")
    client.enable_plaintext, client.enable_starttls, client.enable_direct_tls = True, False, False
    client.plugin["feature_mechanisms"].unencrypted_scram = True

    def show(seen: Presence) -> None:
        if seen["from"].bare == "alice@localhost":
            print(json.dumps([seen["type"], seen["show"], seen["status"]]), flush=True)
            if seen["status"] == "write to me":
                client.send_message(slixmpp.JID("alice@localhost"), "hello")

    client.add_event_handler("session_start", lambda _: client.send_presence())
    client.add_event_handler("presence", show)
    client.add_event_handler("message_error", lambda one: print(json.dumps(one["error"]["condition"]), flush=True))
    client.connect("127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
