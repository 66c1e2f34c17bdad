"""Media that come and go in drives."""

from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.block import block_kind
from pybus_services.hal.device import Device, Kind
from pybus_services.messages import Message

from .drives import DISC, DISC_SIZE, DVD, DVD_RECORD, DVD_WITH_DISC, LOOP, READER, READER_RECORD, SCSI, change

INSERTED = [Message("hal.block.media.inserted", "/dev/sdb")]
EJECTED = [Message("hal.block.media.ejected", "/dev/sdb")]


def card(size: str, **properties: str) -> Device:
    """The kernel says that the reader's medium changed."""
    return change(READER, {"DISK_MEDIA_CHANGE": "1", **properties}, size=size)


def tell(kind: Kind, device: Device) -> list[Message]:
    """As the service does with an event of a device that is one of the kind."""
    record = kind.describe(device)
    assert record is not None
    messages: list[Message] = kind.events(device, record)
    return messages


def test_a_card_goes_in_and_out() -> None:
    kind = block_kind()
    assert tell(kind, READER) == []
    assert tell(kind, card("62333952")) == INSERTED
    assert tell(kind, card("0")) == EJECTED
    assert tell(kind, card("62333952")) == INSERTED


def test_a_card_that_is_told_twice_came_once() -> None:
    kind = block_kind()
    tell(kind, READER)
    assert tell(kind, card("62333952")) == INSERTED
    assert tell(kind, card("62333952", ID_FS_UUID="6234-3938")) == []
    assert tell(kind, change(READER, {"ID_FS_UUID": "6234-3938"}, size="62333952")) == []
    assert tell(kind, card("0")) == EJECTED
    assert tell(kind, card("0")) == []


def test_a_card_that_was_in_the_reader_before_did_not_come() -> None:
    kind = block_kind()
    assert kind.describe(card("62333952")._replace(action="")) == {**READER_RECORD, "size": 31_914_983_424}
    assert tell(kind, card("62333952")) == []
    assert tell(kind, card("0")) == EJECTED


def test_a_card_whose_size_is_known_later_comes_then() -> None:
    kind = block_kind()
    tell(kind, READER)
    assert tell(kind, card("0")) == []
    assert tell(kind, change(READER, {}, size="62333952")) == INSERTED


def test_a_card_that_is_swapped_between_two_looks() -> None:
    kind = block_kind()
    tell(kind, READER)
    assert tell(kind, card("62333952", ID_FS_UUID="6234-3938")) == INSERTED
    assert tell(kind, card("62333952", ID_FS_UUID="0123-4567")) == EJECTED + INSERTED
    assert tell(kind, card("124735488", ID_FS_UUID="0123-4567")) == EJECTED + INSERTED


def test_a_card_that_is_formatted_stays() -> None:
    kind = block_kind()
    tell(kind, READER)
    assert tell(kind, card("62333952", ID_FS_UUID="6234-3938")) == INSERTED
    assert tell(kind, change(READER, {"ID_FS_UUID": "0123-4567"}, size="62333952")) == []
    assert tell(kind, card("62333952", ID_FS_UUID="0123-4567")) == []


def test_a_reader_that_comes_back_with_a_card() -> None:
    """Another path, the same node: what was in it before says nothing."""
    kind = block_kind()
    tell(kind, READER)
    again = card("62333952")._replace(path=SCSI.replace("host4", "host5"))
    assert tell(kind, again._replace(action="add")) == []
    assert tell(kind, again) == []


def test_a_disc_goes_in_and_out() -> None:
    kind = block_kind()
    assert kind.describe(DVD) == DVD_RECORD
    inserted = change(DVD, {"DISK_MEDIA_CHANGE": "1", **DISC}, size=DISC_SIZE)
    assert kind.describe(inserted) == DVD_WITH_DISC
    assert kind.events(inserted, DVD_WITH_DISC) == [Message("hal.block.media.inserted", "/dev/sr0")]

    # udev's 60-cdrom_id.rules end at an eject request, before they look at the disc.
    request = change(DVD, {"DISK_EJECT_REQUEST": "1"}, size=DISC_SIZE)
    assert kind.describe(request) == DVD_WITH_DISC
    assert kind.events(request, DVD_WITH_DISC) == [Message("hal.block.eject_request", "/dev/sr0")]

    ejected = change(DVD, {"DISK_MEDIA_CHANGE": "1"}, size=DISC_SIZE)
    assert kind.describe(ejected) == DVD_RECORD
    assert kind.events(ejected, DVD_RECORD) == [Message("hal.block.media.ejected", "/dev/sr0")]


def test_a_partition_has_no_media() -> None:
    kind = block_kind()
    partition = READER._replace(
        path=f"{SCSI}/sdb1",
        properties={"DEVTYPE": "partition", "DEVNAME": "/dev/sdb1"},
        attributes={"size": "2048", "../removable": "1"},
    )
    assert tell(kind, partition) == []
    assert tell(kind, change(partition, {"DISK_MEDIA_CHANGE": "1"}, size="0")) == []


def test_a_loop_device_has_no_media() -> None:
    kind = block_kind()
    assert tell(kind, LOOP) == []
    assert tell(kind, LOOP._replace(attributes={"size": "65536", "removable": "1"})) == []
    assert tell(kind, LOOP._replace(attributes={"size": "131072", "removable": "1"})) == []


_MEDIA = ["hal.block.media.inserted", "hal.block.media.ejected"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["0", "2048", "4096", ""]))))
def test_media_come_and_go_by_turns(changes: list[tuple[bool, str]]) -> None:
    """Beginning with an empty drive; in the end the last message is what there is."""
    kind = block_kind()
    tell(kind, READER)
    topics, size = [], "0"
    for told, size in changes:
        event = card(size) if told else change(READER, {}, size=size)
        topics += [message.topic for message in tell(kind, event)]
    assert topics == (_MEDIA * len(topics))[: len(topics)]
    assert len(topics) % 2 == (size in ("2048", "4096"))
