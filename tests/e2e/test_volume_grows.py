"""A volume grows when its tenant asks for more: while the pod runs, with all that is on it."""

import json
import time

from e2e.house import Home, until
from insula.domain import names

MORE_GIB = 3

# Print what the file holds and where it lies; write it first when there are words.
KEPT = """
import json, pathlib, sys
file = pathlib.Path("/config/kept.txt")
if sys.argv[1:]:
    file.write_text(sys.argv[1])
print(json.dumps({"text": file.read_text(), "inode": file.stat().st_ino}))
"""


def capacity(home: Home) -> str:
    return str(home.get("persistentvolumeclaim", names.HOME_ASSISTANT_CONFIG)["status"]["capacity"]["storage"])


def running(home: Home) -> tuple[str, list[int]]:
    """Return the pod's UID and how often its containers were started again."""
    pod = home.ready_pod(names.HOME_ASSISTANT)
    return pod["metadata"]["uid"], [container["restartCount"] for container in pod["status"]["containerStatuses"]]


def test_home_gets_more_room_without_a_restart_and_keeps_its_data(newcomer: Home) -> None:
    before, kept = running(newcomer), newcomer.inside(KEPT, "written before the volume grew")
    larger = int(capacity(newcomer).removesuffix("Gi")) + MORE_GIB

    patch = {"spec": {"homeAssistant": {"storageGiB": larger}}}
    began = time.monotonic()
    newcomer.cluster.kubectl("patch", "tenant", newcomer.name, "--type=merge", "-p", json.dumps(patch))
    until("the larger volume", lambda: capacity(newcomer) == f"{larger}Gi", every_s=0.1)
    print(f"the volume had {larger} GiB {time.monotonic() - began:.1f} s after the tenant asked")

    newcomer.wait()
    assert running(newcomer) == before
    assert newcomer.inside(KEPT) == kept
