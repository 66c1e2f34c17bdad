"""A service is told when somebody begins to listen to its topics, and when nobody does any more."""

from pybus.broker.life import Service
from tests.broker.scene import Person, Scene
from tests.broker.test_services import NAME, PLAYER, running, stage

TOPIC = f"bus.listeners.{NAME}"


def told(who: Person) -> list[tuple[str, int]]:
    """What `bus.listeners.#` told since the last time, as (name, listeners)."""
    values = [one.value for one in who.heard() if one.key.startswith("bus.listeners.")]
    return [(value["name"], value["listeners"]) for value in values if isinstance(value, dict) and len(value) == 2]


def listeners(who: Person, name: str = NAME) -> object:
    """What the bus says when it is asked."""
    found = who.ask("service", name)
    assert isinstance(found, dict)
    return found["listeners"]


def test_the_first_and_the_last_are_told_and_nobody_between() -> None:
    _, alice, bob = running()
    bob.subscribe(TOPIC)
    assert (told(bob), listeners(bob)) == ([], 0)
    alice.subscribe("media.#")
    assert (told(bob), listeners(bob)) == ([(NAME, 1)], 1)
    alice.subscribe("media.film", "media.song")
    alice.subscribe("media.song")
    assert (told(bob), listeners(bob)) == ([], 3)
    alice.ask("unsubscribe", ["media.#", "media.film"])
    assert (told(bob), listeners(bob)) == ([], 1)
    alice.leave()
    assert (told(bob), listeners(bob)) == ([(NAME, 0)], 0)


def test_the_body() -> None:
    _, alice, bob = running()
    bob.subscribe(TOPIC)
    alice.subscribe("media.#")
    assert [(one.sender, one.key, one.value) for one in bob.heard()] == [(0, TOPIC, {"name": NAME, "listeners": 1})]


def test_who_listens_to_everything_or_to_something_else_does_not_count() -> None:
    _, alice, bob = running()
    bob.subscribe(TOPIC)
    alice.subscribe("#", "*.film", "song.#")
    alice.ask("monitor", ["media.#"])
    assert (told(bob), listeners(bob)) == ([], 0)


def test_it_is_told_before_it_starts_and_known_when_it_asks() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.subscribe(TOPIC)
    alice.subscribe("media.film")
    assert told(carol) == [(NAME, 1)]
    scene.start(NAME)
    bob = scene.join("bob")
    assert listeners(bob) == 1


def test_one_who_has_left_is_not_told_of_it() -> None:
    _, alice, bob = running()
    alice.subscribe("media.#", "bus.#")
    alice.ask("monitor")
    bob.subscribe(TOPIC)
    alice.heard()
    alice.leave(goodbye=True)
    assert (alice.heard(), told(bob)) == ([], [(NAME, 0)])


# --- itself -------------------------------------------------------------------------------------------


def test_a_service_does_not_listen_to_itself() -> None:
    scene, alice, bob = running(idle=60.0)
    alice.subscribe(TOPIC)
    bob.subscribe("media.#")
    bob.ask("unsubscribe", ["media.#"])
    bob.subscribe("media.#", "media.film")
    assert (told(alice), listeners(alice)) == ([], 0)
    assert scene.broker.next_deadline() == scene.now + 60.0
    scene.wait(60)
    assert scene.orders() == [("terminate", NAME)]
    bob.leave()
    assert (told(alice), listeners(alice)) == ([], 0)


def test_what_it_subscribed_to_before_it_had_its_name_counts_until_then() -> None:
    scene, alice = stage(idle=60.0)
    alice.subscribe(TOPIC)
    alice.ask("start_service", NAME)
    scene.start(NAME)
    bob = scene.join("bob")
    bob.subscribe("media.#")
    assert (told(alice), listeners(alice)) == ([(NAME, 1)], 1)
    bob.ask("request_name", NAME)
    assert (told(alice), listeners(alice)) == ([(NAME, 0)], 0)
    assert scene.orders() == []
    assert scene.broker.next_deadline() == scene.now + 60.0


def test_one_who_has_lost_the_name_listens_like_anybody() -> None:
    scene, alice = stage(idle=60.0)
    bob, carol = scene.join("bob"), scene.join("carol")
    alice.subscribe(TOPIC)
    bob.ask("request_name", NAME, True)
    bob.subscribe("media.#", "media.film")
    carol.subscribe("media.#")
    assert (told(alice), listeners(alice)) == ([(NAME, 1)], 1)
    carol.ask("request_name", NAME, False, True)
    assert (told(alice), listeners(alice)) == ([], 2)
    bob.leave()
    assert (told(alice), listeners(alice)) == ([(NAME, 0)], 0)
    carol.ask("release_name", NAME)
    assert (told(alice), listeners(alice)) == ([(NAME, 1)], 1)


def test_one_who_waits_for_the_name_listens_until_it_gets_it() -> None:
    _, alice, bob = running()
    carol = alice.scene.join("carol")
    carol.subscribe("media.#")
    carol.ask("request_name", NAME)
    assert listeners(alice) == 1
    alice.subscribe(TOPIC)
    bob.leave()
    assert (told(alice), listeners(alice)) == ([(NAME, 0)], 0)
    carol.leave()
    assert (told(alice), listeners(alice)) == ([], 0)


# --- when the files are read again --------------------------------------------------------------------


def test_a_reload_that_changes_nothing_tells_nothing() -> None:
    other = Service("org.example.Radio", ("radio",), topics=("radio.#",))
    scene = Scene()
    scene.offer(PLAYER, other)
    alice, carol = scene.join("alice"), scene.join("carol")
    carol.subscribe("bus.listeners.#")
    alice.subscribe("media.#", "media.film")
    told(carol)
    scene.offer(PLAYER, other)
    assert (told(carol), listeners(carol), listeners(carol, other.name)) == ([], 2, 0)


def test_a_reload_tells_what_other_topics_change() -> None:
    scene, alice, bob = running(idle=60.0)
    alice.subscribe("media.#")
    bob.subscribe(TOPIC, "song.#")
    scene.offer(PLAYER._replace(idle=60.0, topics=("song.#",)))
    assert (told(bob), listeners(bob)) == ([(NAME, 0)], 0)
    assert scene.broker.next_deadline() == scene.now + 60.0
    scene.offer(PLAYER._replace(idle=60.0))
    assert (told(bob), listeners(bob)) == ([(NAME, 1)], 1)
    assert scene.broker.next_deadline() is None


def test_a_file_that_goes_and_comes_back_is_no_change() -> None:
    scene, alice, bob = running()
    bob.subscribe(TOPIC)
    alice.subscribe("media.#")
    told(bob)
    scene.offer()
    scene.offer(PLAYER)
    assert (told(bob), listeners(bob)) == ([], 1)
    scene.offer()
    alice.ask("unsubscribe", ["media.#"])
    assert told(bob) == []
    scene.offer(PLAYER)
    assert (told(bob), listeners(bob)) == ([(NAME, 0)], 0)


def test_a_new_file_for_topics_that_somebody_hears_already() -> None:
    scene = Scene()
    alice, bob = scene.join("alice"), scene.join("bob")
    alice.subscribe("media.#")
    bob.subscribe(TOPIC)
    bob.ask("request_name", NAME)
    scene.offer(PLAYER)
    assert (told(bob), listeners(bob)) == ([(NAME, 1)], 1)
