"""A home answers at its own address, under a certificate of the sandbox's authority, and under no other."""

import json
import subprocess
from pathlib import Path

from e2e.house import Home

CANNOT_VERIFY = 60  # curl's exit code


def curl(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    where = ["--resolve", f"{home.host}:443:{home.address}", f"https://{home.host}/manifest.json"]
    argv = ["curl", "--silent", "--show-error", "--max-time", "20", *words, *where]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_a_home_answers_at_its_own_address(alice: Home, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(alice.secret("home-assistant-tls")["ca.crt"])
    done = curl(alice, "--cacert", str(authority), "--write-out", "\n%{http_code}")
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    assert status == "200"
    assert json.loads(body)["name"] == "Home Assistant"


def test_without_the_authority_nobody_believes_the_certificate(alice: Home) -> None:
    assert curl(alice).returncode == CANNOT_VERIFY
