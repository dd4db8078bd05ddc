"""The Job that tries paths: against sockets of this machine."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from insula.domain.errors import UsageError
from insula.domain.probes import Expected, Position
from insula.jobs import probing

MESSAGE_BYTES = 4096  # what Kubernetes keeps of a container's last words


@pytest.fixture
def door() -> Iterator[str]:
    """A port that somebody holds open."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def wall() -> Iterator[str]:
    """A port that nobody holds open."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def locked() -> Iterator[str]:
    """An HTTP server that lets nobody in."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_way_has_its_word(door: str, wall: str, locked: str) -> None:
    assert probing.try_once(f"tcp:{door}") == "connected"
    assert probing.try_once(f"tcp:{wall}") == "rejected"
    assert probing.try_once(f"http:{locked}/api/version") == "401"
    assert probing.try_once(f"http:{wall}/api/version") == "rejected"
    assert probing.try_once("name:localhost") == "resolved"
    assert probing.try_once("name:nobody.invalid") == "unknown name"
    assert probing.try_once("tcp:nobody.invalid:80") == "unknown name"


def test_a_wall_that_comes_a_moment_late_is_a_wall_and_one_that_never_comes_is_none() -> None:
    seen = {"tcp:late:1": iter(["connected", "timeout"]), "tcp:never:1": iter(["connected"] * 3)}
    given = probing.read("ollama", [], ["late=tcp:late:1", "never=tcp:never:1"])
    words = probing.try_all(given, reach=lambda target: next(seen[target], "connected"), settle_s=0.4)
    assert words == ["timeout", "connected"]


def test_what_must_be_open_is_awaited_before_the_rest_is_tried() -> None:
    tried: list[str] = []
    answers = iter(["timeout", "resolved"])

    def reach(target: str) -> str:
        tried.append(target)
        return next(answers) if target.startswith("name:") else "timeout"

    given = probing.read("home-assistant", ["dns=name:a"], ["node=tcp:b:1"])
    assert probing.try_all(given, reach=reach) == ["resolved", "timeout"]
    assert tried == ["name:a", "name:a", "tcp:b:1"]


def test_the_message_names_the_failing_paths_and_fits_however_many_there_are() -> None:
    refused = [f"door-{number}=tcp:{'long-name.' * 20}svc:{number}" for number in range(60)]
    given = probing.read("ollama", ["dns=name:x"], refused)
    said = probing.message(given, ["timeout"] + ["connected"] * 60)
    assert (said["tried"], said["opened"], len(said["open"])) == (61, 60, 3)
    assert said["open"][0].startswith("ollama → door-0 (tcp:long-name.")
    assert said["shut"] == ["ollama → dns (name:x)"]
    assert len(json.dumps(said).encode()) < MESSAGE_BYTES


def test_a_red_probe_is_no_failure_of_the_job(tmp_path: Path, door: str, wall: str) -> None:
    log = tmp_path / "log"
    words = ["--position", "ollama", "--allowed", "dns=name:localhost", "--refused", f"wall=tcp:{wall}"]
    done = subprocess.run(
        [sys.executable, "-m", "insula", "job", "probe", *words],
        env=dict(os.environ) | {"INSULA_TERMINATION_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(log.read_text()) == {
        "tried": 2,
        "seen": ["resolved", "rejected"],
        "open": [],
        "opened": 0,
        "shut": [],
    }


@pytest.mark.parametrize("text", ["nothing", "name=ftp:host:1"])
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        probing.read("ollama", [text], [])


def test_probes_are_read_with_what_is_expected_of_them() -> None:
    (dns, node) = probing.read("home-assistant", ["dns=name:a"], ["node=tcp:b:1"])
    assert (dns.expected, node.expected, dns.position) == (
        Expected.ALLOWED,
        Expected.REFUSED,
        Position.HOME_ASSISTANT,
    )
