"""What the start script makes of /config, and that it loses nothing of the resident's."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from insula.render.scripts import start

ENVIRONMENT = {
    "INSULA_TRUSTED_PROXIES": "10.244.0.0/16, 10.96.0.0/16",
    "INSULA_INTERNAL_URL": "http://home-assistant:8123",
    "INSULA_EXTERNAL_URL": "https://ha.alice.example.com",
}


class Loader(yaml.SafeLoader):
    """Reads Home Assistant's includes as text."""


Loader.add_multi_constructor("!", lambda _loader, tag, node: f"{tag} {node.value}")


def settings(config: Path, **data: object) -> Path:
    file = config / ".storage" / "core.config"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"version": 1, "data": {"internal_url": None, "external_url": None} | data}))
    return file


def urls(file: Path) -> tuple[str, str]:
    data = json.loads(file.read_text())["data"]
    return data["internal_url"], data["external_url"]


def test_configuration_trusts_the_proxies_and_includes_the_residents_files() -> None:
    content = yaml.load(start.render_configuration(ENVIRONMENT), Loader)
    assert content["http"] == {"use_x_forwarded_for": True, "trusted_proxies": ["10.244.0.0/16", "10.96.0.0/16"]}
    assert content["homeassistant"]["packages"] == "include_dir_named packages"
    assert content["automation"] == "include automations.yaml"
    assert {"assist_pipeline", "frontend", "history", "mobile_app"} <= set(content)


def test_configuration_locks_no_page_of_home_assistant() -> None:
    content = yaml.load(start.render_configuration(ENVIRONMENT), Loader)
    assert set(content["homeassistant"]) == {"packages", "media_dirs"}


def test_without_proxies_no_forwarded_address_is_believed() -> None:
    assert "http" not in yaml.load(start.render_configuration({}), Loader)


def test_our_own_older_configuration_is_replaced_silently(tmp_path: Path) -> None:
    start.write_configuration(tmp_path, start.render_configuration({}))
    assert start.write_configuration(tmp_path, start.render_configuration(ENVIRONMENT)) is None
    assert (tmp_path / "configuration.yaml").read_text() == start.render_configuration(ENVIRONMENT)
    assert [file.name for file in tmp_path.iterdir()] == ["configuration.yaml"]


def test_a_configuration_that_somebody_wrote_is_kept_beside(tmp_path: Path) -> None:
    text = start.render_configuration({})
    for number, theirs in enumerate(("default_config:\n", text + "shopping_list:\n"), start=1):
        (tmp_path / "configuration.yaml").write_text(theirs)
        kept = start.write_configuration(tmp_path, text)
        assert kept == tmp_path / f"configuration.yaml.resident-{number}"
        assert kept.read_text() == theirs
    assert (tmp_path / "configuration.yaml").read_text() == text


def test_the_residents_files_are_made_once_and_never_emptied(tmp_path: Path) -> None:
    start.lay_out(tmp_path)
    (tmp_path / "automations.yaml").write_text("- alias: Lights\n")
    (tmp_path / "packages" / "mine.yaml").write_text("sun:\n")
    start.lay_out(tmp_path)
    assert (tmp_path / "automations.yaml").read_text() == "- alias: Lights\n"
    assert (tmp_path / "packages" / "mine.yaml").read_text() == "sun:\n"


def test_the_providers_packages_are_copied_anew(tmp_path: Path) -> None:
    source, config = tmp_path / "source", tmp_path / "config"
    source.mkdir()
    (source / "My-Package.yaml").write_text("template: !include_dir_list x\n")
    start.copy_packages(source, config)
    (source / "My-Package.yaml").rename(source / "other.yaml")
    start.copy_packages(source, config)
    assert [file.name for file in (config / "packages" / "insula").iterdir()] == ["insula_other.yaml"]


@pytest.mark.parametrize("broken", ["a: [\n", "- a list\n", "just text", ""])
def test_a_broken_package_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "broken.yaml").write_text(broken)
    start.copy_packages(tmp_path, tmp_path / "config")
    assert list((tmp_path / "config" / "packages" / "insula").iterdir()) == []
    assert "broken.yaml is left out" in capsys.readouterr().err


def test_no_packages_at_all_is_fine(tmp_path: Path) -> None:
    start.copy_packages(tmp_path / "nothing", tmp_path / "config")
    assert (tmp_path / "config" / "packages" / "insula").is_dir()


def test_urls_go_into_home_assistants_own_settings(tmp_path: Path) -> None:
    file = settings(tmp_path)
    start.tell_urls(tmp_path, ENVIRONMENT)
    assert urls(file) == ("http://home-assistant:8123", "https://ha.alice.example.com")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_new_host_replaces_the_url_that_we_set(tmp_path: Path) -> None:
    file = settings(tmp_path)
    start.tell_urls(tmp_path, ENVIRONMENT)
    start.tell_urls(tmp_path, ENVIRONMENT | {"INSULA_EXTERNAL_URL": "https://new.example.com"})
    assert urls(file)[1] == "https://new.example.com"


def test_a_url_that_the_resident_set_stays(tmp_path: Path) -> None:
    file = settings(tmp_path, external_url="https://home.alice.example")
    start.tell_urls(tmp_path, ENVIRONMENT)
    assert urls(file)[1] == "https://home.alice.example"


def test_a_home_without_settings_is_left_alone(tmp_path: Path) -> None:
    start.tell_urls(tmp_path, ENVIRONMENT)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_nobody_holds_is_not_waited_for(tmp_path: Path) -> None:
    start.await_the_volume(tmp_path)
    start.await_the_volume(tmp_path)


def test_another_home_assistant_on_the_volume_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    lock = tmp_path / start.LOCK
    argv = [sys.executable, "-c", holds, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        ending = threading.Timer(0.2, other.stdin.close)
        ending.start()
        start.await_the_volume(tmp_path)
        ending.join()
        assert other.wait() != 0
    assert "another Home Assistant runs on this volume" in capsys.readouterr().err


def test_requirements_go_below_config_and_another_releases_are_forgotten(tmp_path: Path) -> None:
    old = start.deps_environment(tmp_path, {}, "2026.1.0")["PYTHONUSERBASE"]
    environment = start.deps_environment(tmp_path, {"UV_SYSTEM_PYTHON": "true", "TZ": "UTC"}, "2026.2.3")
    assert not Path(old).exists()
    site = Path(environment["PYTHONUSERBASE"]) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    assert site.is_dir()
    assert site.is_relative_to(tmp_path)
    assert "UV_SYSTEM_PYTHON" not in environment
    assert environment["TZ"] == "UTC"


@pytest.mark.parametrize(("code", "status"), [("exit 100", 100), ("exit 0", 0), ("kill -9 $$", 137)])
def test_the_end_of_home_assistant_is_the_end_of_the_container(code: str, status: int) -> None:
    assert start.run(["sh", "-c", code], dict(os.environ)) == status


def test_a_stop_is_passed_on_to_home_assistant() -> None:
    code = "trap 'exit 7' TERM; kill -TERM $PPID; while :; do sleep 0.05; done"
    ours = (
        "from insula.render.scripts import start; import os; "
        f"print(start.run(['sh', '-c', {code!r}], dict(os.environ)))"
    )
    done = subprocess.run([sys.executable, "-c", ours], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "7\n"


def test_a_stop_between_two_runs_ends_the_container() -> None:
    ours = (
        "from insula.render.scripts import start; import os, signal; start.run(['true'], dict(os.environ)); "
        "os.kill(os.getpid(), signal.SIGTERM); signal.pause()"
    )
    done = subprocess.run([sys.executable, "-c", ours], check=False, timeout=30)
    assert done.returncode == 143
