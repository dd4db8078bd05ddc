"""The chart is uninstalled and installed again around homes that notice nothing."""

import asyncio

from e2e.areas import lets_in
from e2e.house import Home, insula, until
from insula.domain import names
from insula.sandbox.cluster import RELEASE, RELEASE_NAMESPACE
from insula.sandbox.commands import run


def pods(home: Home) -> dict[str, str]:
    """Return the UIDs of the home's pods that stay."""
    found = {}
    for component in (names.HOME_ASSISTANT, names.OLLAMA):
        (pod,) = home.pods(component)
        found[component] = str(pod["metadata"]["uid"])
    return found


def test_homes_live_on_without_the_chart_and_the_next_one_takes_them_over(alice: Home) -> None:
    before, identity = pods(alice), alice.identity
    helm = [str(alice.cluster.binaries / "helm"), f"--kubeconfig={alice.cluster.layout.kubeconfig}"]
    try:
        run([*helm, "uninstall", RELEASE, "--namespace", RELEASE_NAMESPACE, "--wait"], timeout_s=120)
        assert alice.exists(), "the definitions stay, and so does every Tenant"
        assert pods(alice) == before
        assert asyncio.run(lets_in(alice, alice.resident)), "she comes in at her own address all the while"
    finally:
        insula("sandbox", "up")
    until("alice being ready", lambda: alice.condition("Ready").get("status") == "True")
    assert alice.ask()["answer"].strip()
    assert (pods(alice), alice.identity) == (before, identity)
