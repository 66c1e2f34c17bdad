"""For which value a `get` waits, and for which services, one after the other."""

from pybus.broker.life import Service
from pybus.errors import StartFailed
from pybus.protocol.codec import pack
from pybus.protocol.frames import EPHEMERAL, RETAIN
from tests.broker.scene import Person, Scene, refusal
from tests.broker.test_get import TOPIC, come, get, none, value
from tests.broker.test_services import NAME, PLAYER, running, stage

# --- a value of a service that ends -------------------------------------------------------------------


def test_the_value_of_a_service_that_is_about_to_end_is_not_told() -> None:
    scene, alice, bob = running()
    bob.publish(TOPIC, 40, RETAIN, target=EPHEMERAL)
    alice.ask("stop_service", NAME)
    scene.orders()
    serial = get(alice)
    bob.publish(TOPIC, 0, RETAIN, target=EPHEMERAL)
    own = get(bob)
    assert (alice.heard(), bob.heard()) == ([], [value(bob, bob, own, 0)])
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.start(NAME)
    bert = come(scene, volume=50)
    assert alice.heard() == [value(bert, alice, serial, 50)]


def test_a_lasting_value_is_told_while_its_service_ends() -> None:
    scene, alice, bob = running()
    bob.publish(TOPIC, 40, RETAIN)
    alice.ask("stop_service", NAME)
    scene.orders()
    serial = get(alice)
    assert alice.heard() == [value(bob, alice, serial, 40, ephemeral=False)]


def test_a_held_one_is_not_told_the_value_of_the_one_who_has_just_gone() -> None:
    scene, alice, bob = running()
    bob.publish(TOPIC, 40, RETAIN, target=EPHEMERAL)
    alice.ask("stop_service", NAME)
    scene.orders()
    carol = scene.join("carol")
    carol.ask("request_name", NAME)
    serial = get(alice)
    bob.leave()
    assert alice.heard() == [none(alice, serial)]


def test_the_will_of_the_one_who_goes_is_a_value_as_well() -> None:
    scene, alice, bob = running()
    bob.ask("set_will", TOPIC, pack("unknown"), False, True)
    alice.ask("stop_service", NAME)
    scene.orders()
    serial, own = get(alice), get(bob)
    assert bob.heard() == [none(bob, own)]
    bob.leave()
    assert alice.heard() == [value(bob, alice, serial, "unknown", ephemeral=False)]
    assert bob.heard() == []


# --- several services, and other files ----------------------------------------------------------------

RADIO = "org.example.Radio"


def two() -> tuple[Scene, Person]:
    """A scene with two services that declare the topic; the player is the first that is asked."""
    scene = Scene()
    scene.offer(PLAYER, Service(RADIO, ("radio",), topics=("media.volume",)))
    return scene, scene.join("alice")


def test_if_the_first_fails_the_next_is_started() -> None:
    scene, alice = two()
    serial = get(alice)
    scene.start(NAME)
    scene.end(NAME, 3)
    scene.start(RADIO, 600)
    bob = scene.join("bob")
    bob.publish(TOPIC, 50, RETAIN)
    assert alice.heard() == [value(bob, alice, serial, 50, ephemeral=False)]


def test_if_the_first_has_no_such_value_the_next_is_started() -> None:
    scene, alice = two()
    serial = get(alice)
    scene.start(NAME)
    come(scene, volume=None)
    scene.start(RADIO, 600)
    bob = scene.join("bob")
    bob.ask("request_name", RADIO)
    assert alice.heard() == [none(alice, serial)]


def test_if_none_has_it_the_first_failure_is_told() -> None:
    scene, alice = two()
    serial = get(alice)
    scene.start(NAME)
    scene.end(NAME, 3)
    scene.start(RADIO, 600)
    bob = scene.join("bob")
    bob.ask("request_name", RADIO)
    reason = f"{NAME} exited with status 3 after 1.5 s before it claimed its name"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]
    assert (alice.peer.held, alice.peer.calls, scene.broker.dispatch.held.asked) == (0, {}, {})


def test_a_value_of_anybody_is_an_answer() -> None:
    scene, alice = stage()
    serial = get(alice)
    alice.publish(TOPIC, 30, RETAIN)
    assert alice.heard() == [value(alice, alice, serial, 30, ephemeral=False)]
    assert scene.broker.dispatch.held.is_awaited(NAME) is False


def test_a_file_that_does_not_declare_the_topic_any_more_ends_the_waiting() -> None:
    scene, alice = two()
    serial, film = get(alice), get(alice, "media.film")
    scene.start(NAME)
    scene.offer(PLAYER._replace(topics=("media.film",)))
    assert alice.heard() == [none(alice, serial)]
    bob = come(scene, volume=None)
    assert (alice.heard(), bob.heard()) == ([none(alice, film, "media.film")], [])
