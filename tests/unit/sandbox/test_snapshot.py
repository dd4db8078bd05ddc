"""Snapshots: what appeared and what vanished, and mounts that must not be deleted with the state."""

from pathlib import Path

from insula.sandbox.snapshot import Difference, Snapshot, differences
from insula.sandbox.teardown import mounts_below


def a_snapshot(**areas: set[str]) -> Snapshot:
    return Snapshot({area: frozenset(facts) for area, facts in areas.items()})


def test_equal_snapshots_do_not_differ() -> None:
    assert differences(a_snapshot(links={"lo"}), a_snapshot(links={"lo"})) == []


def test_differences_say_what_appeared_and_what_vanished() -> None:
    before = a_snapshot(links={"lo", "eth0"}, mounts={"/"})
    after = a_snapshot(links={"lo", "insula0"}, mounts={"/"})
    found = differences(before, after)
    assert found == [Difference("links", "eth0", appeared=False), Difference("links", "insula0", appeared=True)]
    assert str(found[1]) == "links: + insula0"


def test_mounts_below_the_state_are_found() -> None:
    lines = [
        "22 1 254:0 / / rw - ext4 /dev/vda rw",
        "90 22 254:0 /x /var/lib/insula/sandbox/nodes/n1/my\\040disk rw - ext4 /dev/vda rw",
        "91 22 254:0 /y /var/lib/insula/sandboxes rw - ext4 /dev/vda rw",
    ]
    found = mounts_below(Path("/var/lib/insula/sandbox"), "\n".join(lines))
    assert found == [Path("/var/lib/insula/sandbox/nodes/n1/my disk")]
