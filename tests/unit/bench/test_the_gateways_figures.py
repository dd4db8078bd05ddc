"""How the gateway's figures are counted, and whether the simulated homes are treated as the queue treats real ones."""

import asyncio
import sys
from pathlib import Path

from bench import page
from bench.common import metrics, processes
from bench.common.figures import Figure
from bench.doors import cluster, fairness, rounds
from bench.doors.cluster import Homes
from bench.doors.fairness import Arrival, Home
from bench.doors.rounds import Asked, Round
from bench.doors.ways import GO, INSULA, LITELLM, STRAIGHT

from insula.domain.inference import Inference
from insula.gateway.activities import Activities
from insula.gateway.fairness import Turns
from insula.gateway.keyring import Keyring
from insula.gateway.replicas import Replicas
from insula.gateway.tenants import WatchedDirectory
from insula.gateway.watches import Watches
from insula.kube import config
from insula.kube.client import Client


def asked(cpu_us: float, *, p50: float = 0.0, p99: float = 0.0) -> Asked:
    spread = {"p50": p50, "p99": p99}
    return Asked(100, 0, per_s=10.0, cpu_us=cpu_us, used=0.5, first_ms=spread, whole_ms=spread, lag_ms=spread)


def a_round() -> Round:
    unary = {STRAIGHT: asked(0), GO: asked(100), INSULA: asked(300), LITELLM: asked(6000)}
    streams = {
        STRAIGHT: {64: asked(0, p50=0.1, p99=1.0)},
        GO: {64: asked(1000, p50=0.2, p99=2.0)},
        INSULA: {64: asked(2000, p50=0.6, p99=4.0)},
    }
    return Round(unary, streams)


def taken(found: list[Figure]) -> dict[str, Figure]:
    return {figure.figure: figure for figure in found}


def test_ratios_are_those_of_processor_time_in_one_round() -> None:
    found = taken(list(rounds.figures([a_round()])))
    assert (found["cpu_ratio_to_go"].median, found["cpu_ratio_to_go"].goal) == (3.0, 2.0)
    assert found["cpu_ratio_to_go"].holds is False
    litellm = found["rps_per_core_ratio_to_litellm"]
    assert (litellm.median, litellm.goal, litellm.holds) == (20.0, 10.0, True)


def test_what_a_way_adds_is_over_the_straight_way_in_the_same_round() -> None:
    found = taken(list(rounds.figures([a_round()])))
    assert round(found["added_median_ms_64_streams"].median, 3) == 0.5
    assert round(found["added_p99_ms_64_streams"].median, 3) == 3.0
    assert round(found["go_added_p99_ms_64_streams"].median, 3) == 1.0
    assert found["added_median_ms_64_streams"].holds
    assert found["added_p99_ms_64_streams"].holds


def test_a_goal_that_is_a_least_is_met_from_above() -> None:
    more, less = Figure("x", [11.0], "", goal=10.0, at_least=True), Figure("x", [9.0], "", goal=10.0, at_least=True)
    assert (more.holds, less.holds) == (True, False)
    assert "met" in list(page._cells(more.to_json()))
    assert "**missed**" in list(page._cells(less.to_json()))
    assert "≥ 10" in list(page._cells(less.to_json()))


def test_a_home_that_asks_much_costs_another_little_in_the_queue_and_much_in_the_order_of_arrival() -> None:
    homes = [Home("small", 60.0), Home("big", 1.2)]
    alone = fairness.simulate(Turns(1), homes[:1], seconds=36_000, seed=1).answered_s["small"]
    ours = fairness.simulate(Turns(1), homes, seconds=36_000, seed=1).answered_s["small"]
    theirs = fairness.simulate(Arrival(1), homes, seconds=36_000, seed=1).answered_s["small"]
    assert sum(ours) / len(ours) < 2 * sum(alone) / len(alone)
    assert sum(theirs) / len(theirs) > 5 * sum(alone) / len(alone)


def test_homes_with_unequal_prompts_get_equal_time_in_the_queue_and_not_in_the_order_of_arrival() -> None:
    homes = [Home(f"home-{number}", median_s=0.5 + number) for number in range(8)]
    assert fairness.simulate(Turns(2), homes, seconds=3600, seed=1).jain() > 0.99
    assert fairness.simulate(Arrival(2), homes, seconds=3600, seed=1).jain() < 0.9


def test_a_simulation_is_the_same_each_time_and_another_with_other_chances() -> None:
    homes = [Home("a"), Home("b", 5.0)]
    first, again, other = (fairness.simulate(Turns(1), homes, seconds=600, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


async def test_the_gateways_watches_find_every_home_of_the_bench_behind_its_key(tmp_path: Path) -> None:
    homes = Homes(250, 4321, Inference(parallel=3))
    keyring = Keyring(homes.write_keys(tmp_path))
    keyring.refresh()
    directory = WatchedDirectory()
    async with cluster.serving(homes, tmp_path) as kubeconfig, Client(config.from_kubeconfig(kubeconfig)) as client:
        following = asyncio.create_task(Watches(directory, Replicas(), Activities()).run(client))
        async with asyncio.timeout(10):
            while not directory.synced:  # noqa: ASYNC110 - a directory has no event to wait for
                await asyncio.sleep(0.01)
        following.cancel()
    keys = (tmp_path / "keys.txt").read_text().split()
    routes = [directory.find(keyring.verify(key).tenant_id) for key in keys]
    assert [route.name for route in routes if route] == [f"home-{number}" for number in range(1, 251)]
    assert {route.inference.parallel for route in routes if route} == {3}
    assert len({route.backend for route in routes if route}) == len({route.group for route in routes if route}) == 250
    assert all(route.backend and route.backend.startswith("127.") for route in routes if route)


def test_addresses_of_thousands_of_homes_are_loopbacks_and_differ() -> None:
    found = [cluster.address_of(number) for number in range(1, 70_000)]
    assert len(set(found)) == len(found)
    assert all(
        address.startswith("127.") and all(0 <= int(part) <= 255 for part in address.split(".")) for address in found
    )


async def test_a_programs_processor_time_and_memory_are_its_own(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", "x = [0] * 4_000_000\nwhile True: sum(range(1000))"]
    async with processes.running(command, tmp_path / "log") as busy:
        async with asyncio.timeout(20):
            while processes.processor_s(busy.pid) < 0.1:  # noqa: ASYNC110 - until it has used some
                await asyncio.sleep(0.01)
        assert processes.resident_mib(busy.pid) > 20
        assert processes.open_files(busy.pid) >= 3
    assert busy.returncode is not None
    assert processes.processor_s(busy.pid) == 0.0


def test_a_metric_is_summed_over_the_samples_that_bear_a_label() -> None:
    text = 'a_total{result="hit"} 3.0\na_total{result="miss"} 4.0\na_total_created{result="hit"} 9.0\nb 1.0\n'
    assert metrics.total(text, "a_total", 'result="hit"') == 3
    assert metrics.total(text, "a_total") == 7
    assert metrics.total(text, "b") == 1
