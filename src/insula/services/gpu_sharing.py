"""How nodes part their GPUs: configurations of NVIDIA's device plugin, in its own format.

The format is that of https://github.com/NVIDIA/k8s-device-plugin#configuring-the-nvidia-device-plugin-binary: one
ConfigMap, a key for each configuration, and the node's label `nvidia.com/device-plugin.config` that names a key.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from insula.domain.errors import NotFoundError, UsageError
from insula.domain.gpu import CONFIG_LABEL, DEVICE
from insula.domain.manifests import Manifest, ObjectRef
from insula.services.tenancy import Cluster

WHOLE: Final = "whole"
MIG: Final = "mig"
LEAST_SHARES: Final = 2
MOST_SHARES: Final = 64


def configurations(*, shared: Iterable[int], mps: Iterable[int], mig: bool, renamed: bool) -> Mapping[str, str]:
    """Return the configurations by their keys: `whole`, `shared-<n>`, `mps-<n>`, `mig`; each value is YAML.

    Args:
        shared: Numbers of time slices.
        mps: Numbers of partitions.
        mig: Whether MIG's slices have a configuration.
        renamed: Whether shares are called `nvidia.com/gpu.shared`.

    Raises:
        UsageError: A number of shares below 2 or above 64.
    """
    found: dict[str, Any] = {WHOLE: _config("none")}
    for count in shared:
        # A second share gives a pod no more of the device: whoever asks for two has misunderstood.
        extra = {"failRequestsGreaterThanOne": True}
        found[f"shared-{count}"] = _config("none", {"timeSlicing": _shares(count, renamed=renamed) | extra})
    for count in mps:
        found[f"mps-{count}"] = _config("none", {"mps": _shares(count, renamed=renamed)})
    if mig:
        found[MIG] = _config("mixed")
    return {key: yaml.safe_dump(value, sort_keys=False) for key, value in found.items()}


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    """Return the ConfigMap that the device plugin's chart takes as `config.name`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": dict(data),
    }


def labelled(node: str, key: str) -> Manifest:
    """Return the part of a Node that gives it a configuration: apply it server-side."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {CONFIG_LABEL: key}}}


def choices(words: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Return node and key of each word `NODE=KEY`.

    Raises:
        UsageError: A word has another form, or names a key that is not among the known ones.
    """
    keys, found = list(known), []
    for word in words:
        node, _, key = word.partition("=")
        if not node or key not in keys:
            raise UsageError(f"{word!r} gives no node a configuration", remedy=f"write NODE={'|'.join(keys)}")
        found.append((node, key))
    return found


async def apply(cluster: Cluster, manifests: Iterable[Manifest]) -> None:
    """Make the ConfigMap what it should be, and label the nodes.

    Raises:
        NotFoundError: There is no such node or namespace.
    """
    for manifest in manifests:
        metadata = manifest["metadata"]
        ref = ObjectRef("v1", manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        if manifest["kind"] == "ConfigMap" and await cluster.find(ref) is None:
            await cluster.create(manifest)
            continue
        changed = {"data": manifest["data"]} if "data" in manifest else {"metadata": {"labels": metadata["labels"]}}
        try:
            await cluster.merge_patch(ref, changed)
        except NotFoundError as error:
            raise NotFoundError(
                f"there is no {ref.kind} {ref.name}", remedy="`kubectl get nodes` lists them"
            ) from error


def _config(mig_strategy: str, sharing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"version": "v1", "flags": {"migStrategy": mig_strategy}, **({"sharing": dict(sharing)} if sharing else {})}


def _shares(count: int, *, renamed: bool) -> dict[str, Any]:
    if not LEAST_SHARES <= count <= MOST_SHARES:
        raise UsageError(f"a GPU is not parted into {count}", remedy=f"choose {LEAST_SHARES} to {MOST_SHARES} shares")
    return {"renameByDefault": renamed, "resources": [{"name": DEVICE, "replicas": count}]}
