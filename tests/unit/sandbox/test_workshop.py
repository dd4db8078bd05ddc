"""Running a build's tools: everything they say is kept, and none of them outlives its build."""

import asyncio
from pathlib import Path

import pytest
from fake_builds import until

from insula.sandbox.builds.workshop import LAST_WORDS, BuildError, Workshop


def a_workshop(cache: Path, *, stop_grace_s: float = 5) -> Workshop:
    return Workshop(cache, "go/thing", {"PATH": "/usr/bin:/bin", "GREETING": "hello"}, stop_grace_s)


def runs(pid: int) -> bool:
    """Say whether a process is alive: zombies, which nobody has asked for yet, are not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def pids_in(file: Path, count: int) -> list[int]:
    """Return the numbers in a file once there are as many."""
    await until(lambda: len(lines(file)) == count)
    return [int(line) for line in lines(file)]


def lines(file: Path) -> list[str]:
    """Return a file's whole lines; none while there is no file."""
    return [line for line in file.read_text().splitlines(keepends=True) if line[-1] == "\n"] if file.is_file() else []


async def end(pids: list[int]) -> None:
    await until(lambda: not any(runs(pid) for pid in pids))


async def test_log_has_the_command_and_both_outputs_of_all_runs(tmp_path: Path) -> None:
    workshop = a_workshop(tmp_path)

    await workshop.run(["sh", "-c", "echo out; echo err >&2"])
    await workshop.run(["echo", "again"])

    assert workshop.log == tmp_path / "logs/go-thing.log"
    assert workshop.log.read_text() == "$ sh -c echo out; echo err >&2\nout\nerr\n$ echo again\nagain\n"


async def test_tool_gets_directory_and_variables_over_those_of_the_host_and_no_input(tmp_path: Path) -> None:
    workshop = a_workshop(tmp_path)

    await workshop.run(["sh", "-c", "pwd; echo $GREETING $NAME; cat"], cwd=Path("/usr"), env={"NAME": "you"})

    assert workshop.log.read_text().splitlines()[1:] == ["/usr", "hello you"]


async def test_missing_program_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        await a_workshop(tmp_path).run(["no-such-program", "x"])

    assert caught.value.message == "go/thing: the program no-such-program is missing"
    assert caught.value.remedy == "run scripts/install-tools.sh"


async def test_missing_directory_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="sh cannot be started") as caught:
        await a_workshop(tmp_path).run(["sh"], cwd=tmp_path / "nowhere")

    assert caught.value.remedy == ""


async def test_program_that_may_not_be_run_is_an_error_of_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be started"):
        await a_workshop(tmp_path).run([tmp_path])


async def test_error_ends_with_the_last_words_however_much_was_said(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do printf '%0200d\\n' $i; done; echo the reason; exit 7"

    with pytest.raises(BuildError) as caught:
        await a_workshop(tmp_path).run(["sh", "-c", script])

    message = caught.value.message
    assert message.startswith("go/thing: sh ended with code 7: ")
    assert message.endswith(f"| the reason (whole log: {tmp_path}/logs/go-thing.log)")
    assert len(message) < LAST_WORDS + 200


async def test_bytes_that_are_no_text_do_not_hide_the_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="the reason"):
        await a_workshop(tmp_path).run(["sh", "-c", r"printf '\377\n'; echo the reason; exit 1"])


async def test_cancelled_tool_ends_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! >> {pids}; echo $$ >> {pids}; wait"
    task = asyncio.create_task(a_workshop(tmp_path).run(["sh", "-c", script]))
    running = await pids_in(pids, 2)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await end(running)


async def test_child_that_ignores_the_request_to_stop_does_not_outlive_its_tool(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = f"trap '' TERM; echo $$ >> {pids}; while true; do sleep 1; done"
    task = asyncio.create_task(a_workshop(tmp_path).run(["sh", "-c", 'sh -c "$0" & wait', child]))
    running = await pids_in(pids, 1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await end(running)


async def test_tool_that_ignores_the_request_to_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ >> {pids}; while true; do sleep 1; done"
    task = asyncio.create_task(a_workshop(tmp_path, stop_grace_s=0.1).run(["sh", "-c", script]))
    running = await pids_in(pids, 1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await end(running)


async def test_tool_may_clean_up_when_it_is_told_to_stop(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap 'echo cleaned; exit' TERM; echo $$ >> {pids}; while true; do sleep 0.05; done"
    workshop = a_workshop(tmp_path)
    task = asyncio.create_task(workshop.run(["sh", "-c", script]))
    await pids_in(pids, 1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert workshop.log.read_text().endswith("cleaned\n")


def test_workshop_keeps_the_variables_out_of_what_it_shows(tmp_path: Path) -> None:
    assert "hello" not in repr(a_workshop(tmp_path))
