"""Inputs for tests of the contract: a provider, a plan and a tenant that are all in order."""

from dataclasses import replace
from typing import Any

from insula.contract.resolve import resolve_plan
from insula.domain.manifests import Manifest
from insula.domain.platform import Images, Platform
from insula.domain.tenants import Plan

AN_ID = "7c0a1b5e-7f53-4b0c-8e8b-1f2f3d4c5b6a"


def a_platform(**changes: Any) -> Platform:
    platform = Platform("homes.test", Images("insula:1", "home-assistant:1", "ollama:1"), "insula-system")
    return replace(platform, **changes)


def a_plan_manifest(**changes: Any) -> Manifest:
    resources = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": 2, "memory": "2Gi"}}
    part = {"resources": resources, "storageGiB": 10}
    spec = {
        "defaults": {"homeAssistant": part, "ollama": part},
        "ceilings": {
            "homeAssistant": {"cpu": 4, "memory": "4Gi"},
            "ollama": {"cpu": 8, "memory": "16Gi", "gpu": 1},
            "storageGiB": 100,
        },
    }
    return {"metadata": {"name": "standard"}, "spec": spec | changes}


def a_plan(**changes: Any) -> Plan:
    return resolve_plan(a_plan_manifest(**changes))


def a_tenant(name: str = "alice", **changes: Any) -> Manifest:
    spec = {"owner": "alice@example.com", "plan": "standard", "ollama": {"models": ["gemma3:270m"]}}
    return {"metadata": {"name": name}, "spec": spec | changes}
