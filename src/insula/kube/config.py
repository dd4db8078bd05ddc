"""How to reach the API server and who we are there: a kubeconfig, or the files that a pod is given."""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from insula.domain.errors import InvalidSpecError, NotFoundError
from insula.kube import logins

IN_CLUSTER_DIRECTORY: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SANDBOX_KUBECONFIG: Final = Path("/var/lib/insula/sandbox/kubeconfig")


@dataclass(frozen=True)
class Access:
    """One API server and one identity there. Secrets stay out of `repr`.

    `token_file` is read again for each request: a bound service-account token lives about an hour.
    """

    server: str
    ca_pem: bytes = field(default=b"", repr=False)  # empty: the system's authorities
    certificate_pem: bytes = field(default=b"", repr=False)
    key_pem: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    insecure: bool = False
    server_name: str = ""  # the name to check in the server's certificate; empty: the one in `server`
    namespace: str = "default"

    def bearer(self) -> str:
        """Return the bearer token in force, empty where a client certificate speaks for us."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        return self.token

    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS settings: whom we trust and, with a client certificate, who we are."""
        context = ssl.create_default_context(cadata=self.ca_pem.decode() if self.ca_pem else None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_pem:
            _load_identity(context, self.certificate_pem, self.key_pem)
        return context


def find(
    kubeconfig: Path | None = None,
    *,
    context: str = "",
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Access:
    """Return the access that this process has.

    The first of these that exists: `kubeconfig`, the variable KUBECONFIG, ~/.kube/config, the pod's own service
    account, the sandbox's kubeconfig.

    Args:
        kubeconfig: A file named by the caller.
        context: The kubeconfig's context; empty means its current one.
        environment: The environment; `None` means the process's.
        home: The home directory; `None` means the user's.

    Raises:
        NotFoundError: None of them exists.
        InvalidSpecError: The kubeconfig cannot be read as one.
    """
    environment = os.environ if environment is None else environment
    if kubeconfig is not None:
        return from_kubeconfig(kubeconfig, context=context)
    if named := environment.get("KUBECONFIG", ""):
        return from_kubeconfig(_first_existing(named), context=context)
    usual = (home or _home()) / ".kube" / "config"
    if usual.is_file():
        return from_kubeconfig(usual, context=context)
    if environment.get("KUBERNETES_SERVICE_HOST") and (IN_CLUSTER_DIRECTORY / "token").is_file():
        return in_cluster(environment)
    if SANDBOX_KUBECONFIG.is_file():
        return from_kubeconfig(SANDBOX_KUBECONFIG, context=context)
    raise NotFoundError(
        "no cluster: KUBECONFIG is not set, ~/.kube/config does not exist and this is not a pod",
        remedy="set KUBECONFIG, or start one with `insula sandbox up`",
    )


def in_cluster(environment: Mapping[str, str], directory: Path = IN_CLUSTER_DIRECTORY) -> Access:
    """Return the access of a pod's service account."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{host}:{port}",
        ca_pem=(directory / "ca.crt").read_bytes(),
        token_file=directory / "token",
        namespace=(directory / "namespace").read_text(encoding="utf-8").strip(),
    )


def from_kubeconfig(path: Path, *, context: str = "") -> Access:
    """Return the access that one context of a kubeconfig gives.

    Raises:
        NotFoundError: The file does not exist.
        InvalidSpecError: It names no such context, or asks for a login that Insula does not speak.
        UnavailableError: The program that logs in failed.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"kubeconfig {path} does not exist", remedy="check KUBECONFIG") from error
    except (OSError, yaml.YAMLError) as error:
        raise InvalidSpecError(f"kubeconfig {path} cannot be read", remedy="check it with `kubectl`") from error
    if not isinstance(document, dict):
        raise InvalidSpecError(f"kubeconfig {path} is empty", remedy="check it with `kubectl config view`")
    name = context or str(document.get("current-context") or "")
    chosen = _named(document, path, "contexts", "context", name)
    cluster = _named(document, path, "clusters", "cluster", str(chosen.get("cluster", "")))
    user = _named(document, path, "users", "user", str(chosen.get("user", ""))) if chosen.get("user") else {}
    if "auth-provider" in user:
        raise InvalidSpecError(
            f"kubeconfig {path}: user “{chosen['user']}” has an auth-provider, which Kubernetes gave up in 1.26",
            remedy="let your cloud's tool write the kubeconfig anew",
        )
    base = path.parent
    if "exec" in user:
        user |= logins.log_in(user["exec"], base)
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        ca_pem=_material(cluster, "certificate-authority", base),
        certificate_pem=_material(user, "client-certificate", base),
        key_pem=_material(user, "client-key", base),
        token=str(user.get("token") or ""),
        token_file=base / user["tokenFile"] if user.get("tokenFile") else None,
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        server_name=str(cluster.get("tls-server-name") or ""),
        namespace=str(chosen.get("namespace") or "default"),
    )


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user has neither HOME nor an entry in /etc/passwd
        return Path("/")


def _first_existing(paths: str) -> Path:
    candidates = [Path(part) for part in paths.split(os.pathsep) if part]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _named(document: Mapping[str, Any], path: Path, many: str, one: str, name: str) -> dict[str, Any]:
    for entry in document.get(many) or []:
        if entry.get("name") == name:
            return dict(entry.get(one) or {})
    raise InvalidSpecError(
        f"kubeconfig {path} has no {one} named “{name}”", remedy="list them with `kubectl config get-contexts`"
    )


def _material(section: Mapping[str, Any], key: str, base: Path) -> bytes:
    """Return a certificate or key, which stands in the kubeconfig itself (base64) or in a file beside it."""
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data)
    return (base / section[key]).read_bytes() if section.get(key) else b""


def _load_identity(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    # ssl reads identities from files only: one that none but us can open, for as long as the call lasts.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate_pem + b"\n" + key_pem)
        file.flush()
        context.load_cert_chain(file.name)
