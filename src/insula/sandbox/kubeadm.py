"""Kubernetes on a node: a whole `kubeadm init`, and `kubeadm join` for those that come after."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from insula.domain.errors import UnavailableError
from insula.sandbox import kubeadm_settings
from insula.sandbox.commands import CommandError
from insula.sandbox.layout import NODE_NAMES, Layout
from insula.sandbox.nodes import run_in_node

INIT_TIMEOUT_S: Final = 300.0  # kubeadm itself gives up after four minutes
RETURN_TIMEOUT_S: Final = 180.0  # for the API server after the node started again: 5 s when idle
POLL_S: Final = 0.5

# Checks of kubeadm that cannot pass here although all works.
IGNORED_CHECKS: Final = (
    "SystemVerification",  # asks modprobe and the kernel's build settings, which a node cannot see on every machine
    "NumCPU",  # a sandbox on one core is slow, not broken
)

ADMIN: Final = f"--kubeconfig={kubeadm_settings.INSIDE}/admin.conf"
SETTINGS: Final = "kubeadm.yaml"  # in /etc/kubernetes
MARK: Final = "kubeadm-done"  # in the node's directory: kubeadm came to its end


def init(layout: Layout, node: str = NODE_NAMES[0]) -> None:
    """Make the node a whole cluster of its own, and write the administrator's kubeconfig.

    Does nothing but wait for the API server when it has been done before. What a killed run left halfway is reset
    first.

    Raises:
        UnavailableError: The node does not run, or its API server does not come back.
        CommandError: kubeadm failed; its whole output is in the node's kubeadm.log.
    """
    if (layout.node(node).root / MARK).exists():
        _await(lambda: is_ready(layout, node), f"the API server of {node}", layout.node(node).logs)
    else:
        _reset(layout, node)
        _write(layout, node, "audit-policy.yaml", kubeadm_settings.audit_policy())
        for name, text in kubeadm_settings.patches().items():
            _write(layout, node, f"{kubeadm_settings.PATCHES}/{name}", text)
        _write(layout, node, SETTINGS, kubeadm_settings.init_settings(layout, node))
        _kubeadm(layout, node, ["init", *_settings_arguments()])
        _await(lambda: is_ready(layout, node), f"the API server of {node}", layout.node(node).logs)
        (layout.node(node).root / MARK).touch()
    _publish_kubeconfig(layout, node)


def join(layout: Layout, node: str, *, is_known: bool) -> None:
    """Make the node a worker of the first node's cluster; does nothing when it is one.

    Args:
        layout: The sandbox.
        node: A node that runs.
        is_known: Whether the cluster has a node of that name. One that it was made to forget joins anew.
    """
    mark = layout.node(node).root / MARK
    if mark.exists() and is_known:
        return
    mark.unlink(missing_ok=True)
    _reset(layout, node)
    words = run_in_node(layout, NODE_NAMES[0], ["kubeadm", "token", "create", "--print-join-command"]).split()
    token, ca_hash = (words[words.index(flag) + 1] for flag in ("--token", "--discovery-token-ca-cert-hash"))
    _write(layout, node, SETTINGS, kubeadm_settings.join_settings(layout, node, token=token, ca_hash=ca_hash))
    _kubeadm(layout, node, ["join", *_settings_arguments()])
    mark.touch()


def reset(layout: Layout, node: str) -> None:
    """Undo what kubeadm did on the node: its kubelet and all its pods end, its keys go; images stay."""
    (layout.node(node).root / MARK).unlink(missing_ok=True)
    _kubeadm(layout, node, ["reset", "--force"])


def is_ready(layout: Layout, node: str) -> bool:
    """Say whether the node's API server answers and knows the node."""
    try:
        run_in_node(layout, node, ["kubectl", ADMIN, "get", "--raw=/readyz"], timeout_s=5)
        found = json.loads(
            run_in_node(layout, node, ["kubectl", ADMIN, "get", "node", node, "--output=json"], timeout_s=5)
        )
    except (CommandError, UnavailableError):
        return False
    return bool(found["metadata"]["name"] == node)


def _reset(layout: Layout, node: str) -> None:
    """Undo what an interrupted kubeadm left."""
    if any((layout.node(node).kubernetes).iterdir()):
        reset(layout, node)


def _kubeadm(layout: Layout, node: str, arguments: Sequence[str]) -> None:
    log = layout.node(node).logs / "kubeadm.log"
    try:
        output = run_in_node(layout, node, ["kubeadm", *arguments], timeout_s=INIT_TIMEOUT_S)
    except CommandError as error:
        _append(log, error.output)
        raise
    _append(log, output)


def _settings_arguments() -> list[str]:
    ignored = ",".join(IGNORED_CHECKS)
    return [f"--config={kubeadm_settings.INSIDE}/{SETTINGS}", f"--ignore-preflight-errors={ignored}"]


def _write(layout: Layout, node: str, name: str, content: str) -> None:
    """Write a file into the node's /etc/kubernetes, for root alone: it may hold a token."""
    path = layout.node(node).kubernetes / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)


def _publish_kubeconfig(layout: Layout, node: str) -> None:
    partial = layout.kubeconfig.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_bytes((layout.node(node).kubernetes / "admin.conf").read_bytes())
    partial.replace(layout.kubeconfig)


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def _await(condition: Callable[[], bool], what: str, logs: Path) -> None:
    deadline = time.monotonic() + RETURN_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{what} did not answer within {RETURN_TIMEOUT_S:.0f} s", remedy=f"read the logs in {logs}"
            )
        time.sleep(POLL_S)
