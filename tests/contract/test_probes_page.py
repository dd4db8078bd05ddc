"""Every probe is in the reference."""

from pathlib import Path

from builders import a_platform
from insula.domain.probe_plan import Neighbour, Surroundings, plan
from insula.render import samples
from insula.services import rehearsing

PAGE = (Path(__file__).parents[2] / "docs/reference/probes.md").read_text(encoding="utf-8")
ALL = Surroundings(
    gateway="gateway",
    nodes=("n",),
    api_servers=("a:443",),
    node_ports=("n:1",),
    platform=("p:1",),
    outside=("o:1",),
    home_assistant="h",
    ollama="o",
    neighbours=(Neighbour("bob", "id", "h", "o"),),
)


def test_every_probe_is_in_the_reference() -> None:
    names = {each.name for each in plan(ALL)}
    names |= {*samples.forbidden("alice", a_platform()), samples.PLAIN}
    names |= {*rehearsing.rights("alice", ["bob"]), *rehearsing.CHECKS}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
