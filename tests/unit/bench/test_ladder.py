"""How the controller's figures are counted."""

import json
from pathlib import Path
from typing import Any

from bench.common import figures
from bench.common.figures import Figure
from bench.ladder import audit, climbing
from bench.ladder import world as worlds
from bench.ladder.operators import Metrics
from bench.ladder.tenants import Watcher

OPERATOR = "system:serviceaccount:insula-system:insula-operator"


def a_line(resource: str, name: str, *, at: float, verb: str = "patch", user: str = OPERATOR, space: str = "") -> str:
    event = {
        "verb": verb,
        "user": {"username": user},
        "objectRef": {"resource": resource, "name": name, "namespace": space},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{at:09.6f}Z",
        "stageTimestamp": f"2026-01-01T00:00:{at + 0.25:09.6f}Z",
    }
    return json.dumps(event) + "\n"


def test_a_home_is_made_when_the_last_of_its_objects_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(a_line("tenants", "earlier", at=0, verb="create", user="somebody"))
    log = audit.Log(path)
    with path.open("a") as file:
        file.write(a_line("tenants", "alice", at=1, verb="create", user="somebody"))
        file.write(a_line("namespaces", "insula-alice", at=2))
        file.write(a_line("services", "ollama", at=3, space="insula-alice"))
        file.write(a_line("services", "ollama", at=9, space="insula-alice"))
        file.write(a_line("services", "ollama", at=10)[:20])  # it is being written
    wanted = frozenset({("Namespace", ""), ("Service", "ollama")})
    [making] = audit.makings(log.writes(), wanted)
    assert (making.tenant, making.whole_s, making.server_s) == ("alice", 2.25, 0.5)


def test_a_home_that_lacks_an_object_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    log = audit.Log(path)
    path.write_text(a_line("tenants", "alice", at=1, verb="create") + a_line("namespaces", "insula-alice", at=2))
    assert list(audit.makings(log.writes(), worlds.objects())) == []


def test_leases_are_not_the_operators_writes(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    log = audit.Log(path)
    path.write_text(a_line("leases", "insula-operator", at=1) + a_line("tenants", "alice", at=1))
    assert [write.is_operators for write in log.writes()] == [False, True]


def test_a_home_with_jobs_and_route_has_three_objects_more() -> None:
    more = worlds.objects(whole=True) - worlds.objects()
    assert {kind for kind, _ in more} == {"Job", "Ingress"}
    assert len(more) == 3


def test_calls_are_counted_from_the_metrics_without_leases_lists_and_watches() -> None:
    text = """
insula_operator_api_answers_total{code="200",resource="secrets",verb="get"} 2.0
insula_operator_api_answers_total{code="404",resource="secrets",verb="get"} 3.0
insula_operator_api_answers_total{code="200",resource="leases",verb="patch"} 7.0
insula_operator_api_answers_total{code="200",resource="pods",verb="list"} 1.0
insula_operator_queue_depth 4.0
"""
    assert Metrics(text).calls() == {"get secrets": 5}
    assert Metrics(text).sum("insula_operator_queue_depth") == 4


def a_tenant(status: str) -> dict[str, Any]:
    name = worlds.name_of(1)
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": status}]}}


def test_a_transition_is_a_condition_that_appears_or_changes_its_status() -> None:
    watcher = Watcher()
    for status in ("False", "False", "True", "True"):
        watcher.upsert(a_tenant(status))
    assert (watcher.transitions, watcher.ready) == (2, 1)


def test_calls_over_objects_have_the_transitions_and_one_as_their_goal() -> None:
    objects = len(worlds.objects(whole=True))
    rung = climbing.Rung(10, made=10, calls={"apply services": objects * 10, "get secrets": 50}, transitions=170)
    figure = climbing.calls_figure([rung])
    assert (figure.median, figure.goal, figure.holds) == (5.0, 18.0, True)


def test_figures_of_an_earlier_piece_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    figures.merge(path, [Figure("a", [1.0], "s"), Figure("b", [2.0], "s", goal=1.0)], rungs=[1])
    figures.merge(path, [Figure("a", [3.0], "s")])
    document = json.loads(path.read_text())
    assert {each["figure"]: each["value"] for each in document["figures"]} == {"a": 3.0, "b": 2.0}
    assert document["rungs"] == [1]
    assert all(each["date"] and "commit" in each for each in document["figures"])
