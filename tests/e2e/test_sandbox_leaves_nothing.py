"""A sandbox leaves nothing on the machine, whenever it is taken down and wherever its start was killed.

Runs with the scratch sandbox beside the one for people, on its own bridge, addresses and state directory.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from insula.sandbox import kubeadm, nodes, snapshot, teardown
from insula.sandbox.commands import CommandError, run
from insula.sandbox.layout import Layout
from insula.sandbox.snapshot import Difference, Snapshot

LAYOUT = Layout.named("scratch")
NODE, WORKER = "n1", "n2"
UP = [sys.executable, str(Path(__file__).with_name("scratch_up.py"))]

# What ends by itself once the node is gone, such as the waiting half of `nsenter`, gets this long.
SETTLE_S = 5.0


@pytest.fixture
def before() -> Iterator[Snapshot]:
    """The machine without the scratch sandbox."""
    teardown.down(LAYOUT)
    yield snapshot.take(LAYOUT)
    teardown.down(LAYOUT)


def up() -> None:
    subprocess.run(UP, check=True, timeout=300)


def up_but_killed(stage: str, after_s: float) -> None:
    """Start the sandbox, and kill the starting program some time after a stage began."""
    with subprocess.Popen(UP, stdout=subprocess.PIPE, text=True) as starting:
        assert starting.stdout is not None
        assert any(line.strip() == f"begins: {stage}" for line in starting.stdout)
        time.sleep(after_s)
        os.kill(starting.pid, signal.SIGKILL)


def left_since(before: Snapshot) -> list[Difference]:
    deadline = time.monotonic() + SETTLE_S
    while (left := snapshot.differences(before, snapshot.take(LAYOUT))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_whole_sandbox_can_be_taken_down_without_a_trace(before: Snapshot) -> None:
    up()
    assert kubeadm.is_ready(LAYOUT, NODE)
    assert snapshot.differences(before, snapshot.take(LAYOUT)) != []
    teardown.down(LAYOUT)
    assert left_since(before) == []
    assert not LAYOUT.state.exists()


def test_a_worker_joins_and_goes_with_the_sandbox(before: Snapshot) -> None:
    up()
    nodes.start_node(LAYOUT, WORKER, LAYOUT.state / "bin")
    kubeadm.join(LAYOUT, WORKER, is_known=False)
    kubectl = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]
    known = nodes.run_in_node(LAYOUT, NODE, [*kubectl, "get", "nodes", "--output=name"])
    assert known.split() == [f"node/{NODE}", f"node/{WORKER}"]
    teardown.down(LAYOUT)
    assert left_since(before) == []


@pytest.mark.parametrize(
    ("stage", "after_s"),
    [
        ("node", 0.0),
        ("node", 0.03),
        ("node", 0.06),
        ("node", 0.1),
        ("node", 0.2),
        ("images", 1.0),
        ("control plane", 0.5),
        ("control plane", 3.0),
    ],
)
def test_start_killed_anywhere_can_be_taken_down_without_a_trace(before: Snapshot, stage: str, after_s: float) -> None:
    up_but_killed(stage, after_s)
    teardown.down(LAYOUT)
    assert left_since(before) == []


@pytest.mark.parametrize(("stage", "after_s"), [("node", 0.06), ("images", 1.0), ("control plane", 3.0)])
def test_start_killed_anywhere_is_completed_by_the_next_start(before: Snapshot, stage: str, after_s: float) -> None:
    up_but_killed(stage, after_s)
    up()
    assert kubeadm.is_ready(LAYOUT, NODE)


def test_second_start_changes_nothing(before: Snapshot) -> None:
    up()
    pid = nodes.node_pid(LAYOUT, NODE)
    up()
    assert nodes.node_pid(LAYOUT, NODE) == pid


def test_stopped_node_comes_back_with_what_it_knew(before: Snapshot) -> None:
    up()
    kubectl = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"]
    nodes.run_in_node(LAYOUT, NODE, [*kubectl, "create", "namespace", "remembered"])
    nodes.stop_node(LAYOUT, NODE)
    with pytest.raises(CommandError):
        run(["ip", "link", "show", LAYOUT.link(NODE)])
    up()
    assert "remembered" in nodes.run_in_node(LAYOUT, NODE, [*kubectl, "get", "namespaces", "--output=name"])


def test_taking_down_what_is_not_there_is_harmless(before: Snapshot) -> None:
    teardown.down(LAYOUT)
    assert left_since(before) == []
