"""The gateway's measurement from end to end, as short as can be: its programs are built as those of this layer are."""

import asyncio
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def test_the_short_form_of_the_gateways_bench_takes_every_figure_that_needs_no_cluster(tmp_path: Path) -> None:
    results = tmp_path / "gateway.json"
    command = ["-m", "bench.gateway", "--quick", "--only", "ways,keep,cache,fairness", "--results", str(results)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode == 0, output.decode()[-3000:]
    taken = {each["figure"]: each["value"] for each in json.loads(results.read_text())["figures"]}
    named = {"cpu_ratio_to_go", "added_median_ms_64_streams", "added_p99_ms_64_streams", "worker_rss_mib"}
    named |= {"fairness_small_p95_ratio", "fairness_jain_20", "cache_hit_p50_ms"}
    assert named <= taken.keys()
    assert taken["cpu_ratio_to_go"] > 0
    assert taken["worker_rss_mib"] > 0
