"""Add-ons on a sandbox's cluster: applied by kubectl and Helm, all at once, then waited for."""

import asyncio
import json
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from insula.domain.errors import UnavailableError
from insula.domain.models import REGISTRY_HOST, REGISTRY_NAMESPACE, ModelImage
from insula.ollama import adding, catalogue, publishing, registry
from insula.ollama.names import ModelName
from insula.sandbox import package_index, registries, versions
from insula.sandbox.commands import CommandError, run
from insula.sandbox.layout import NODE_NAMES, VOLUMES_INSIDE, Layout

# Longest wait for something to become ready, in seconds, on two loaded cores.
READY_TIMEOUT_S: Final = 300
HELM_TIMEOUT_S: Final = 400
REGISTRY_ANSWER_S: Final = 5
RELEASE: Final = "insula"
RELEASE_NAMESPACE: Final = "insula-system"


@dataclass(frozen=True)
class Cluster:
    """A running sandbox's cluster and the programs to speak to it.

    Attributes:
        binaries: Directory with kubectl and helm.
        tags: Tags of Insula's own images, by their last name.
        shared_model: The image of the model that the registry has from the start.
    """

    layout: Layout
    binaries: Path
    tags: Mapping[str, str] = field(default_factory=dict)
    shared_model: ModelImage | None = None

    def kubectl(self, *words: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """Run kubectl as the cluster's administrator and return its output.

        Raises:
            CommandError: kubectl failed.
        """
        argv = [str(self.binaries / "kubectl"), f"--kubeconfig={self.layout.kubeconfig}", *words]
        return run(argv, stdin=stdin.encode() if stdin is not None else None, timeout_s=timeout_s)

    def apply(self, addon: str, values: Mapping[str, str] = MappingProxyType({})) -> None:
        """Apply an add-on's manifests; what is there already and equal is left alone.

        Args:
            addon: The file's name.
            values: What the file names with a dollar sign, besides what all files may name.
        """
        argv = ("apply", "--server-side", "--force-conflicts", "--field-manager=insula-sandbox", "-f", "-")
        self.kubectl(*argv, stdin=self.text(addon, values), timeout_s=READY_TIMEOUT_S)

    def install(self, release: str, chart: Path, namespace: str, values: str, *extra: str) -> None:
        """Install or upgrade a Helm release with the values of an add-on's file; returns before it is ready."""
        argv = [str(self.binaries / "helm"), f"--kubeconfig={self.layout.kubeconfig}", "upgrade", "--install"]
        argv += [release, str(chart), "--namespace", namespace, "--create-namespace", "--values", "-", *extra]
        run(argv, stdin=self.text(values).encode(), timeout_s=HELM_TIMEOUT_S)

    def rolled_out(self, namespace: str, *workloads: str) -> None:
        """Wait until workloads (`deployment/name`, `daemonset/name`) run as they are written.

        Raises:
            UnavailableError: One does not; the message has its pods' states.
        """
        for workload in workloads:
            argv = ("rollout", "status", workload, "-n", namespace, f"--timeout={READY_TIMEOUT_S}s")
            try:
                self.kubectl(*argv, timeout_s=READY_TIMEOUT_S + 10)
            except CommandError as error:
                raise UnavailableError(
                    f"{workload} in {namespace} does not become ready: {self._pods(namespace)}",
                    remedy=f"kubectl --kubeconfig {self.layout.kubeconfig} describe pods -n {namespace}",
                ) from error

    def _pods(self, namespace: str) -> str:
        """Return the states of a namespace's pods in one line, as far as they can be had."""
        try:
            return " / ".join(self.kubectl("get", "pods", "-n", namespace, "--no-headers").splitlines())
        except CommandError as error:
            return str(error)

    def get(self, *words: str) -> dict[str, Any]:
        """Return an object or a list of them as JSON."""
        return dict(json.loads(self.kubectl("get", *words, "-o", "json")))

    def text(self, addon: str, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return an add-on's file with this sandbox's own values in it."""
        template = (resources.files("insula.sandbox") / "addons" / addon).read_text()
        tags = {f"{name.replace('-', '_')}_tag": tag for name, tag in self.tags.items()}
        return string.Template(template).substitute(
            substitutions(self.layout), shared_models=self._shared_models(), **tags, **values
        )

    def _shared_models(self) -> str:
        """Return the shared models as the values of Insula's chart name them."""
        return json.dumps([self.shared_model.to_values()] if self.shared_model else [])


def substitutions(layout: Layout) -> Mapping[str, str]:
    """Return what the add-ons' files name with a dollar sign."""
    node = str(layout.node_address(NODE_NAMES[0]))
    return {
        "cilium": versions.CILIUM,
        "cert_manager": versions.CERT_MANAGER,
        "storage": versions.STORAGE,
        "registry": versions.REGISTRY,
        "traefik": versions.TRAEFIK,
        "api_host": node,
        "ingress_address": node,
        "pod_cidr": str(layout.pod_cidr),
        "service_cidr": str(layout.service_cidr),
        "node_cidr": str(layout.network),
        "volumes": VOLUMES_INSIDE,
        "domain": layout.domain,
        "index_url": package_index.url(layout),
        "index_cidr": f"{layout.bridge_address}/32",
        "index_port": str(package_index.PORT),
    }


async def install_network(cluster: Cluster, chart: Path) -> None:
    """Install Cilium and wait until the node is Ready."""
    await asyncio.to_thread(cluster.install, "cilium", chart, "kube-system", "cilium-values.yaml")
    await asyncio.to_thread(cluster.rolled_out, "kube-system", "daemonset/cilium")
    argv = ("wait", "--for=condition=Ready", "node", "--all", f"--timeout={READY_TIMEOUT_S}s")
    await asyncio.to_thread(cluster.kubectl, *argv, timeout_s=READY_TIMEOUT_S + 10)


async def install_storage(cluster: Cluster) -> None:
    """Install the driver of volumes."""
    await asyncio.to_thread(cluster.apply, "storage.yaml")
    await asyncio.to_thread(cluster.rolled_out, "storage", "daemonset/storage-node", "deployment/storage-controller")


async def install_ingress(cluster: Cluster) -> None:
    """Install Traefik and give its Service the node's address, as a cloud's load balancer would."""
    await asyncio.to_thread(cluster.apply, "traefik.yaml")
    status = {"status": {"loadBalancer": {"ingress": [{"ip": substitutions(cluster.layout)["ingress_address"]}]}}}
    argv = ("patch", "service", "traefik", "-n", "traefik", "--subresource=status", "--type=merge", "-p")
    await asyncio.to_thread(cluster.kubectl, *argv, json.dumps(status))
    await asyncio.to_thread(cluster.rolled_out, "traefik", "deployment/traefik")


async def install_certificates(cluster: Cluster, chart: Path) -> None:
    """Install cert-manager and the sandbox's own authority."""
    await asyncio.to_thread(cluster.install, "cert-manager", chart, "cert-manager", "cert-manager-values.yaml")
    workloads = ("deployment/cert-manager-webhook", "deployment/cert-manager", "deployment/cert-manager-cainjector")
    await asyncio.to_thread(cluster.rolled_out, "cert-manager", *workloads)
    await _until_applied(cluster, "issuer.yaml")
    argv = ("wait", "--for=condition=Ready", "clusterissuer/insula-sandbox", f"--timeout={READY_TIMEOUT_S}s")
    await asyncio.to_thread(cluster.kubectl, *argv, timeout_s=READY_TIMEOUT_S + 10)


async def install_registry(cluster: Cluster, model: str, gguf: Path) -> None:
    """Install the registry of models, with a first model in it."""
    await asyncio.to_thread(cluster.apply, "registry.yaml")
    await asyncio.to_thread(cluster.rolled_out, REGISTRY_NAMESPACE, "deployment/registry")
    name = ModelName.parse(model)
    url = registries.url(cluster.layout)
    if name not in await _models_of(url):
        await adding.push_model(url, model, gguf, catalogue.recipe_for(name))
    async with registry.open_registry(url) as opened:
        await publishing.publish(opened, opened, name, REGISTRY_HOST, lambda _done, _whole: None)


async def _models_of(url: str) -> list[ModelName]:
    """Return what the registry holds. After a boot its old state looks ready a moment before it is."""
    ends = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            async with asyncio.timeout(REGISTRY_ANSWER_S), registry.open_registry(url) as opened:
                return await opened.list_models()
        except (UnavailableError, TimeoutError):
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(1)


async def install_insula(cluster: Cluster, chart: Path) -> None:
    """Install Insula from its chart and wait until its own pods run."""
    await asyncio.to_thread(cluster.install, RELEASE, chart, RELEASE_NAMESPACE, "insula-values.yaml")
    workloads = (f"deployment/insula-{name}" for name in ("operator", "gateway", "ledger"))
    await asyncio.to_thread(cluster.rolled_out, RELEASE_NAMESPACE, *workloads)


async def keep_models(cluster: Cluster) -> None:
    """Wait until every node holds the shared models: they come from a registry that starts beside their keepers."""
    chosen = ("-n", RELEASE_NAMESPACE, "-l", "app.kubernetes.io/component=shared-model")
    found = (await asyncio.to_thread(cluster.get, "daemonsets", *chosen))["items"]
    keepers = (f"daemonset/{each['metadata']['name']}" for each in found)
    await asyncio.to_thread(cluster.rolled_out, RELEASE_NAMESPACE, *keepers)


async def _until_applied(cluster: Cluster, addon: str, *, attempts: int = 60) -> None:
    """Apply again until the webhook behind it answers: its certificate arrives a moment after its pod."""
    for attempt in range(attempts):
        try:
            await asyncio.to_thread(cluster.apply, addon)
        except CommandError:
            if attempt == attempts - 1:
                raise
            await asyncio.sleep(1)
        else:
            return
