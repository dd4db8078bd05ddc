"""Home Assistant: claimed by an init container before it first listens, then run by our start script."""

from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects, pods

SCRIPTS: Final = ("start.py", "claim.py", "keeping.py")
RESIDENT_PACKAGE: Final = "resident.yaml"  # spec.homeAssistant.configuration
CLAIM: Final = "claim"  # the init container: its end is how the operator learns that the home has an owner

# Answers as soon as the web server is up, and needs no login.
PROBE_PATH: Final = "/manifest.json"
# The first start installs and migrates: ten minutes at one look a second. Afterwards nothing kills a busy home.
STARTUP_LOOKS: Final = 600
# Home Assistant closes its database in seconds; a large one on a slow disk takes longer.
STOP_S: Final = 60

PATHS: Final = {"config": "/config", "tmp": "/tmp", "run": "/run", "scripts": "/insula"}  # noqa: S108 (in a pod)
SECRET_PATHS: Final = {
    name: f"/secrets/{name}" for name in (names.SECRET_PLATFORM_ACCOUNT, names.SECRET_RESIDENT_ACCOUNT)
}


def scripts(tenant: Tenant) -> Manifest:
    """Return the ConfigMap with our scripts and the resident's package."""
    data = {name: _script(name) for name in SCRIPTS}
    if tenant.home_assistant.configuration:
        data[RESIDENT_PACKAGE] = tenant.home_assistant.configuration
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(tenant.name, names.HOME_ASSISTANT_SCRIPTS, component=names.HOME_ASSISTANT),
        "data": data,
    }


def service(tenant: Tenant) -> Manifest:
    """Return the Service that the ingress and our Jobs speak to."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": objects.metadata(tenant.name, names.HOME_ASSISTANT, component=names.HOME_ASSISTANT),
        "spec": {
            "type": "ClusterIP",
            "selector": objects.selector(tenant.name, names.HOME_ASSISTANT),
            "ports": [{"name": "http", "port": names.HOME_ASSISTANT_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def deployment(tenant: Tenant, platform: Platform, *, is_taken_back: bool = False) -> Manifest:
    """Return the Deployment. `Recreate`: two Home Assistants on one database is damage.

    `is_taken_back` says that an image failed, and that what it made of the data is not to stay.
    """
    spec = pods.pod_basics(names.HOME_ASSISTANT, platform) | {
        "terminationGracePeriodSeconds": STOP_S,
        "initContainers": [_claim_container(tenant, platform, is_taken_back=is_taken_back)],
        "containers": [_container(tenant, platform)],
        "volumes": _volumes(tenant),
    }
    # A changed script is a changed pod: the files of a mounted ConfigMap are read at the start only.
    return pods.deployment(tenant, names.HOME_ASSISTANT, spec, scripts(tenant)["data"])


@cache
def _script(name: str) -> str:
    """Return one of our scripts, read once from the package."""
    return (files("insula.render") / "scripts" / name).read_text(encoding="utf-8")


def _claim_container(tenant: Tenant, platform: Platform, *, is_taken_back: bool) -> Manifest:
    """Return the init container that makes the accounts: the only one that sees the passwords."""
    taken_back = {"INSULA_ROLLED_BACK": "1"} if is_taken_back else {}
    return (
        {"name": CLAIM}
        | _base(tenant, platform)
        | {
            "command": ["python3", "/insula/claim.py"],
            "env": pods.environment(_common_environment() | taken_back),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": pods.mounts(PATHS | SECRET_PATHS, read_only=("scripts", *SECRET_PATHS)),
        }
    )


def _container(tenant: Tenant, platform: Platform) -> Manifest:
    look = {"httpGet": {"path": PROBE_PATH, "port": "http"}, "timeoutSeconds": 5}
    return (
        {"name": names.HOME_ASSISTANT}
        | _base(tenant, platform)
        | {
            "command": ["python3", "/insula/start.py"],
            "env": pods.environment(
                _common_environment()
                | {
                    "INSULA_INTERNAL_URL": f"http://{names.HOME_ASSISTANT}.{names.namespace(tenant.name)}.svc"
                    f":{names.HOME_ASSISTANT_PORT}",
                    "INSULA_EXTERNAL_URL": f"https://{tenant.host}",
                    "INSULA_TRUSTED_PROXIES": ",".join(platform.trusted_proxies),
                }
                | package_index(platform)
            ),
            "ports": [{"name": "http", "containerPort": names.HOME_ASSISTANT_PORT, "protocol": "TCP"}],
            "startupProbe": look | {"periodSeconds": 1, "failureThreshold": STARTUP_LOOKS},
            "readinessProbe": look | {"periodSeconds": 5, "failureThreshold": 3},
            "volumeMounts": pods.mounts(PATHS, read_only=("scripts",)),
        }
    )


def package_index(platform: Platform) -> dict[str, str]:
    """Return the environment that sends uv and pip to the provider's index, where there is one."""
    url = platform.package_index_url
    if not url:
        return {}
    index = {"UV_DEFAULT_INDEX": url, "UV_INDEX_URL": url, "PIP_INDEX_URL": url}
    parts = urlsplit(url)
    if parts.scheme != "http":
        return index
    host = parts.netloc.rpartition("@")[2]
    return index | {"UV_INSECURE_HOST": host, "PIP_TRUSTED_HOST": host}


def _base(tenant: Tenant, platform: Platform) -> Manifest:
    # The init container has the same resources: a pod's need is the greater of the two, not the sum.
    return {
        "image": tenant.home_assistant.image or platform.images.home_assistant,
        "imagePullPolicy": platform.images.pull_policy,
        "resources": tenant.home_assistant.resources.to_manifest(),
        "securityContext": pods.locked_down(),
    }


def _common_environment() -> dict[str, str]:
    return {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC", **pods.NO_GPU}  # noqa: S108 (in a pod)


def _volumes(tenant: Tenant) -> list[Manifest]:
    items = [{"key": name, "path": name} for name in SCRIPTS]
    if tenant.home_assistant.configuration:
        items.append({"key": RESIDENT_PACKAGE, "path": f"packages/{RESIDENT_PACKAGE}"})
    return [
        pods.claim_volume("config", names.HOME_ASSISTANT_CONFIG),
        # A restore unpacks a whole backup here.
        pods.scratch_volume("tmp", "4Gi"),
        pods.scratch_volume("run", "64Mi"),
        {"name": "scripts", "configMap": {"name": names.HOME_ASSISTANT_SCRIPTS, "items": items}},
        *(pods.secret_volume(name) for name in SECRET_PATHS),
    ]
