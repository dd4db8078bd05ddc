"""Which API server, and who we are there."""

import base64
from pathlib import Path

import pytest
import yaml

from insula.domain.errors import InvalidSpecError, NotFoundError, UnavailableError
from insula.kube import config

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def a_kubeconfig(path: Path, user: dict[str, object], **cluster: object) -> Path:
    document = {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "homes"}},
            {"name": "there", "context": {"cluster": "other", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", **cluster}},
            {"name": "other", "cluster": {"server": "https://10.0.0.2:6443"}},
        ],
        "users": [{"name": "u", "user": user}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_token_and_authorities_are_read(tmp_path: Path) -> None:
    data = base64.b64encode(CERTIFICATE).decode()
    path = a_kubeconfig(tmp_path / "config", {"token": "t0ken"}, **{"certificate-authority-data": data})
    access = config.from_kubeconfig(path)
    assert (access.server, access.bearer()) == ("https://10.0.0.1:6443", "t0ken")
    assert access.ca_pem == CERTIFICATE
    assert access.namespace == "homes"


def test_files_stand_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "me.crt").write_bytes(CERTIFICATE)
    (tmp_path / "me.key").write_bytes(b"key")
    path = a_kubeconfig(tmp_path / "config", {"client-certificate": "me.crt", "client-key": "me.key"})
    access = config.from_kubeconfig(path)
    assert (access.certificate_pem, access.key_pem) == (CERTIFICATE, b"key")


def test_another_context_is_another_server(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", {"token": "t"})
    assert config.from_kubeconfig(path, context="there").server == "https://10.0.0.2:6443"


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", {"token": "t"})
    with pytest.raises(InvalidSpecError, match="nowhere"):
        config.from_kubeconfig(path, context="nowhere")


def a_program(directory: Path, script: str) -> dict[str, object]:
    program = directory / "login"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"exec": {"command": "./login", "args": ["homes"], "env": [{"name": "REALM", "value": "blue"}]}}


def test_a_program_logs_in_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    user = a_program(tmp_path, """echo "{\\"status\\": {\\"token\\": \\"$1-$REALM\\"}}\"""")
    assert config.from_kubeconfig(a_kubeconfig(tmp_path / "config", user)).bearer() == "homes-blue"


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    user = a_program(tmp_path, "echo 'session expired' >&2; exit 1")
    with pytest.raises(UnavailableError, match="session expired"):
        config.from_kubeconfig(a_kubeconfig(tmp_path / "config", user))


def test_a_program_that_prints_something_else_is_an_error(tmp_path: Path) -> None:
    user = a_program(tmp_path, "echo hello")
    with pytest.raises(UnavailableError, match="no credential"):
        config.from_kubeconfig(a_kubeconfig(tmp_path / "config", user))


def test_a_program_that_is_not_installed_is_named_with_its_hint(tmp_path: Path) -> None:
    user: dict[str, object] = {"exec": {"command": "cloud-login-not-here", "installHint": "get it from the cloud"}}
    with pytest.raises(InvalidSpecError, match="cloud-login-not-here") as caught:
        config.from_kubeconfig(a_kubeconfig(tmp_path / "config", user))
    assert caught.value.remedy == "get it from the cloud"


def test_secrets_do_not_show(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", {"token": "t0ken"})
    assert "t0ken" not in repr(config.from_kubeconfig(path))


def test_the_environment_wins_over_the_home(tmp_path: Path) -> None:
    named = a_kubeconfig(tmp_path / "named", {"token": "named"})
    a_kubeconfig(tmp_path / ".kube" / "config", {"token": "home"})
    assert config.find(environment={"KUBECONFIG": str(named)}, home=tmp_path).bearer() == "named"
    assert config.find(environment={}, home=tmp_path).bearer() == "home"


def test_the_first_existing_file_of_several_is_taken(tmp_path: Path) -> None:
    named = a_kubeconfig(tmp_path / "named", {"token": "named"})
    environment = {"KUBECONFIG": f"{tmp_path / 'missing'}:{named}"}
    assert config.find(environment=environment, home=tmp_path).bearer() == "named"


def test_a_kubeconfig_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing-here"):
        config.find(environment={"KUBECONFIG": str(tmp_path / "nothing-here")}, home=tmp_path)


def test_a_pod_reads_its_token_again_each_time(tmp_path: Path) -> None:
    for name, text in (("token", "one\n"), ("ca.crt", "ca"), ("namespace", "insula-system\n")):
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    access = config.in_cluster(environment, tmp_path)
    assert (access.server, access.namespace, access.bearer()) == ("https://[fd00::1]:443", "insula-system", "one")
    (tmp_path / "token").write_text("two\n")
    assert access.bearer() == "two"


def test_a_file_that_is_no_kubeconfig_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("{unclosed")
    with pytest.raises(InvalidSpecError, match="cannot be read"):
        config.from_kubeconfig(path)
