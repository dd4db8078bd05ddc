"""Make the Tenant object that `insula tenant create` sends, from a file, from options, or from both."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from insula.contract.fields import LABEL_PATTERN
from insula.contract.resolve import parse_spec
from insula.contract.tenants import TENANT_NAME_MAX, TenantSpec
from insula.domain import names
from insula.domain.errors import InvalidSpecError, NotFoundError, UsageError, cap
from insula.domain.manifests import Manifest

DEFAULT_PLAN = "standard"


def read(path: Path) -> Manifest:
    """Read a Tenant from a YAML file.

    Raises:
        NotFoundError: There is no such file.
        InvalidSpecError: It is not one Tenant in YAML.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise NotFoundError(f"file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidSpecError(f"file {path} is not YAML: {cap(str(error))}") from error
    one = documents[0] if len(documents) == 1 else None
    if not isinstance(one, dict) or one.get("kind") != "Tenant" or one.get("apiVersion") != names.API_VERSION:
        raise InvalidSpecError(
            f"file {path} does not hold one Tenant", remedy=f"start it with `apiVersion: {names.API_VERSION}`"
        )
    return one


def tenant(
    name: str | None,
    *,
    base: Manifest | None = None,
    owner: str | None = None,
    plan: str | None = None,
    models: Sequence[str] = (),
    host: str | None = None,
) -> Manifest:
    """Return a Tenant, checked by the same rules that the operator has; options win over the file's values.

    Raises:
        UsageError: Name or owner are missing, or the file bears another name.
        InvalidSpecError: The spec breaks a rule.
    """
    named = str((base or {}).get("metadata", {}).get("name", ""))
    if name and named and name != named:
        raise UsageError(f"the file describes {named!r}, the command says {name!r}", remedy="leave one of them out")
    spec: dict[str, Any] = dict((base or {}).get("spec") or {})
    if owner:
        spec["owner"] = owner
    if plan or "plan" not in spec:
        spec["plan"] = plan or DEFAULT_PLAN
    if models:
        spec["ollama"] = {**spec.get("ollama", {}), "models": list(models)}
    if host:
        spec["access"] = {**spec.get("access", {}), "host": host}
    if not (name or named):
        raise UsageError("the tenant has no name", remedy="`insula tenant create NAME --owner EMAIL`")
    _check_name(name or named)
    if "owner" not in spec:
        raise UsageError("the tenant has no owner", remedy="add `--owner EMAIL`")
    metadata = {**(base or {}).get("metadata", {}), "name": name or named}
    manifest = {"apiVersion": names.API_VERSION, "kind": "Tenant", "metadata": metadata, "spec": spec}
    parse_spec(TenantSpec, manifest)
    return manifest


def _check_name(name: str) -> None:
    if not re.fullmatch(LABEL_PATTERN, name) or len(name) > TENANT_NAME_MAX:
        raise InvalidSpecError(
            f"{name!r} cannot be a tenant's name",
            remedy=f"take at most {TENANT_NAME_MAX} lower-case letters, digits and hyphens, and no hyphen at its ends",
        )
