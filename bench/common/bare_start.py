"""The floor: how long Home Assistant takes by itself, in a pod like a tenant's, from its process to its first answer.

The same image, resources, security and configuration as the tenant's, an empty /config, and nothing of Insula around
it: no claim, no route, no probe. The pod measures itself, so neither the scheduler nor the kubelet is in the figure.
"""

import asyncio
import json
from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef
from insula.kube.client import Client

NAMESPACE: Final = "insula-bench"
POD: Final = "bare-start"
TIMEOUT_S: Final = 300.0

_MEASURE: Final = """
import json, os, signal, subprocess, time, urllib.request
began = time.monotonic()
home = subprocess.Popen(["python3", "/insula/start.py"], start_new_session=True)
while home.poll() is None:
    try:
        urllib.request.urlopen("http://127.0.0.1:8123/manifest.json", timeout=5).read()
        break
    except OSError:
        time.sleep(0.02)
seconds = time.monotonic() - began if home.poll() is None else None
open("/dev/termination-log", "w").write(json.dumps({"seconds": seconds}))
os.killpg(home.pid, signal.SIGKILL)
"""


async def measure(client: Client, tenant: str) -> float:
    """Return the seconds of one bare start with the image and the settings of a tenant's Home Assistant.

    Raises:
        RuntimeError: The pod did not answer.
    """
    space = names.namespace(tenant)
    deployment = await client.get(ObjectRef("apps/v1", "Deployment", space, names.HOME_ASSISTANT))
    scripts = await client.get(ObjectRef("v1", "ConfigMap", space, names.HOME_ASSISTANT_SCRIPTS))
    await client.apply(_namespace(), manager="bench")
    await client.apply(_scripts(scripts), manager="bench")
    place = ObjectRef("v1", "Pod", NAMESPACE, POD)
    await _remove(client, place)
    await client.create(_pod(deployment))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _result(client, place)
    finally:
        await _remove(client, place)


async def clean_up(client: Client) -> None:
    """Remove what `measure` left."""
    await client.delete(ObjectRef("v1", "Namespace", "", NAMESPACE))


async def _result(client: Client, place: ObjectRef) -> float:
    while True:
        pod = await client.get(place)
        for status in pod.get("status", {}).get("containerStatuses", []):
            ended = status.get("state", {}).get("terminated")
            if ended is not None:
                seconds = json.loads(ended.get("message") or "{}").get("seconds")
                if seconds is None:
                    raise RuntimeError(f"the bare Home Assistant ended by itself: {ended.get('reason')}")
                return float(seconds)
        await asyncio.sleep(0.5)


async def _remove(client: Client, place: ObjectRef) -> None:
    await client.delete(place)
    while await client.find(place) is not None:  # noqa: ASYNC110 - a watch for one pod would be longer than this
        await asyncio.sleep(0.5)


def _namespace() -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _scripts(scripts: Manifest) -> Manifest:
    metadata = {"name": names.HOME_ASSISTANT_SCRIPTS, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": scripts["data"]}


def _pod(deployment: Manifest) -> Manifest:
    """Return the tenant's pod without what makes it the tenant's."""
    spec = deployment["spec"]["template"]["spec"]
    container = dict(spec["containers"][0])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container.pop(probe, None)
    container["command"] = ["python3", "-c", _MEASURE]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if "secrets" not in mount["mountPath"]]
    volumes = [_bare(volume) for volume in spec["volumes"] if "secret" not in volume]
    kept = {key: spec[key] for key in ("securityContext", "nodeSelector", "tolerations") if key in spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": NAMESPACE},
        "spec": kept
        | {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": volumes,
        },
    }


def _bare(volume: Manifest) -> Manifest:
    return {"name": volume["name"], "emptyDir": {}} if "persistentVolumeClaim" in volume else volume
