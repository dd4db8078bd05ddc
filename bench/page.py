"""Write docs/reference/figures.md from the results, or check that it is current.

Run it as `python -m bench.page [--check]`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "reference" / "figures.md"
NOTICE: Final = "<!-- Made by `python -m bench.page` from bench/results: measure anew, do not edit. -->"
HEAD: Final = ("Figure", "Median", "Range", "n", "Goal", "", "Peer", "Limited by")

FIRST_ANSWER: Final = """\
From a Tenant to the first sentence that its model answers, in the sandbox with a real Home Assistant, Ollama and model.
Made by `python -m bench.first_answer`."""

CONTROLLER: Final = """\
The operator as a process of its own against a real kube-apiserver and etcd on one machine, which they share. There are
no nodes and no Kubernetes controllers: hands that answer at once bind volumes, run pods, issue certificates and end
Jobs. The daily probes of walls are off, for they write at their hour. Made by `python -m bench.controller`.

- `api_calls_per_tenant_over_objects`: all calls of the operator while homes come up, reads, refusals and Events
  included, Leases, watches and lists left out (its own metric `insula_operator_api_answers_total`), divided by the
  tenants made, less the objects of one home. Its goal is the transitions of conditions for each tenant, counted on a
  watch (a condition that appears, or whose status changes), and one more.
- `writes_at_rest_10min`: every write in the API server's audit log by anyone but itself, Leases left out.
- `applied_…`: by the audit log's own clock, from the request that creates the Tenant to the answer of the last object
  of the home that needs no controller. `applied_server_share_…` is what the API server took for these writes, one
  after the other. The peer is a plain aiohttp client that applies the same objects at the same pace.
- `restart_caught_up_…`: from the start of the process until it has looked at every home and none waits.
- `poisoned_tenant_…`: one object each of many homes is spoilt at a steady pace, and the audit log tells how soon the
  operator repairs it: with and without one home whose objects are refused by an admission policy while its Tenant
  changes twice a second.
- `leader_failover_seconds`: from SIGKILL of the leader until a Tenant created at that moment has all its objects."""

MODELS: Final = """\
What a model costs a node that many homes share, in the sandbox. Made by `python -m bench.models`.

- The Ollamas are the product's own objects under Pod Security `restricted`, each with the model loaded, without the
  rest of a home. A private volume is what a plan with `modelForm: volume` gives.
- `disk_…` and `page_cache_…` add up all files with the weights that have come to the node, each inode once, also what
  the container runtime keeps packed; the ratio is to the size of the weights.
- `add_present_model_…`: from the change of the Tenant until its status says that the model is there. The platform's
  part is until Ollama's Deployment is changed, and from the ready pod to the status; the rest is the pod's restart."""

SOAK: Final = """\
Two replicas of the gateway and a ledger under twenty homes, for half an hour. API server and Ollamas are stand-ins that
fail on purpose; one replica and the ledger are killed and stopped now and then, the other replica lives throughout and
is what is weighed. Made by `python -m bench.soak`.

- `…_anothers_bytes`: each Ollama puts a secret of its home's into every answer; callers look for those of others.
- `…_left`: what is still held twenty seconds after the last caller has gone."""

GATEWAY: Final = """\
Ways to one Ollama without a model, each door alone on one core, the clients and the Ollama on the other: straight,
through Go's `httputil.ReverseProxy` (`go_…`), through the gateway with keys, queue, records and ledger, through LiteLLM
(`litellm_…`). They are asked in rounds, each way in every round. Made by `python -m bench.gateway`.

- `cpu_ratio_to_go`, `rps_per_core_ratio_to_litellm`, `unary_us_…`, `stream_us_…`: processor time of the door alone for
  one request, as the kernel counts it, so that other work on the machine costs it little.
- `added_…_ms_…`: how much later the pieces of a stream come than straight from the Ollama in the same round; each says
  when it was sent. `added_first_byte_…`: the same of the first, from the request on. A stream has 64 pieces, 20 a
  second.
- `worker_…_mib`: resident memory with 5,000 homes known, after ten requests a second for an hour, asked in a row.
- `fairness_…`: the gateway's own queue with simulated homes. `…_small_p95_ratio`: how long a home waits for a whole
  answer (p95) beside one that asks 50 times as often, over the same alone. Jain's index is 1 when all get the same.
- `wake_platform_share_seconds`: of a prompt that wakes a sleeping Ollama in the sandbox, what Insula itself took:
  asking on the Lease, the operator's answer, and reaching the pod that was ready.
- `server_…`: one small proxy on each server and event loop
  ([what it decided](../decisions/0021-the-gateway-on-uvloop.md))."""

RESULTS: Final = {
    "First answer": ("first-answer.json", FIRST_ANSWER),
    "Controller": ("controller.json", CONTROLLER),
    "Models": ("models.json", MODELS),
    "Soak": ("soak.json", SOAK),
    "Gateway": ("gateway.json", GATEWAY),
}


def text() -> str:
    """Return the page."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield NOTICE
    yield "# Figures"
    yield ""
    yield "What was measured, with what it is compared with and what limited it. A goal is the most"
    yield "that it should be; with ≥, the least."
    for title, (name, what) in RESULTS.items():
        path = ROOT / "bench" / "results" / name
        if path.is_file():
            yield from _section(title, what, json.loads(path.read_text(encoding="utf-8")))


def _section(title: str, what: str, document: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"## {title}", "", what, "")
    date, commit = document["date"][:10], document["commit"][:12]
    yield f"Machine: {document['machine']}. Last measured {date}, commit `{commit}`."
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for figure in document["figures"]:
        yield "| " + " | ".join(_cells(figure)) + " |"


def _cells(figure: dict[str, Any]) -> Iterator[str]:
    goal, peer, value = figure["goal"], figure["peer"], figure["value"]
    holds = goal is not None and (value >= goal if figure.get("at_least") else value <= goal)
    yield f"`{figure['figure']}`"
    yield f"{value:g} {figure['unit']}".rstrip()
    yield f"{figure['min']:g} to {figure['max']:g}" if figure["n"] > 1 else ""
    yield str(figure["n"])
    yield "" if goal is None else f"{'≥ ' if figure.get('at_least') else ''}{goal:g}"
    yield "" if goal is None else ("met" if holds else "**missed**")
    yield "" if peer is None else f"{peer:g} ({figure['peer_name']})"
    yield figure["limited_by"].replace("|", "\\|")


def main() -> int:
    """Write the page; with --check, say whether it is current."""
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text():
            print(f"{PAGE.relative_to(ROOT)} is outdated: run `python -m bench.page`", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
