"""What Pod Security `restricted` forbids, checked on a pod's spec (kubernetes.io/docs, Pod Security Standards)."""

from collections.abc import Iterator

from insula.domain.manifests import Manifest

ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "image",
}  # fmt: skip
ALLOWED_PROFILES = {"RuntimeDefault", "Localhost"}


def violations(spec: Manifest) -> Iterator[str]:
    """Yield a sentence for each rule that a pod's spec breaks."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= ALLOWED_VOLUMES:
            yield f"volume {volume['name']} is a {kinds}"
    pod = spec.get("securityContext", {})
    if pod.get("sysctls"):
        yield "sysctls are set"
    for container in [*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])]:
        yield from _container(container, pod)
        yield from _less_common(container, pod)


def _container(container: Manifest, pod: Manifest) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may gain privileges"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield f"{name} may run as root"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield f"{name} runs as root"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in ALLOWED_PROFILES:
        yield f"{name} has no seccomp profile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name} keeps capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name} adds capabilities"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield f"{name} takes a port of the node"


def _less_common(container: Manifest, pod: Manifest) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    if own.get("procMount", "Default") != "Default":
        yield f"{name} sees more of /proc"
    for profile in ("seLinuxOptions", "appArmorProfile", "windowsOptions"):
        if profile in own or profile in pod:
            yield f"{name} sets {profile}, of which Insula needs none"
    handlers = [container.get(probe, {}) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += container.get("lifecycle", {}).values()
    if any("host" in handler.get(kind, {}) for handler in handlers for kind in ("httpGet", "tcpSocket")):
        yield f"{name} has a probe that the node sends to another host"
