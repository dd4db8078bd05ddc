from typing import Any

import pytest
import yaml

from insula.contract.values import platform_from_yaml
from insula.domain.errors import InvalidSpecError
from insula.domain.models import ModelImage
from insula.domain.platform import IngressFlavour, Opening, PodPeer

LEAST = {
    "domain": "homes.test",
    "releaseNamespace": "insula-system",
    "images": {"insula": "insula:1", "homeAssistant": "ha:1", "ollama": "ollama:1"},
}


A_CONTROLLER = {"namespace": "t", "labels": {"a": "b"}, "cidrs": ["192.0.2.0/28"]}


def text(**changes: object) -> str:
    return yaml.safe_dump(LEAST | changes)


def test_a_short_file_gets_careful_defaults() -> None:
    platform = platform_from_yaml(text())

    assert platform.images.home_assistant == "ha:1"
    assert platform.ingress_flavour is IngressFlavour.NGINX
    assert platform.dns == PodPeer("kube-system", (("k8s-app", "kube-dns"),))
    assert {"10.0.0.0/8", "100.64.0.0/10", "fc00::/7"} <= set(platform.forbidden_cidrs)
    assert (platform.model_registry_opening, platform.model_registry_pods) == (None, None)


SHARED: dict[str, Any] = {
    "model": "gemma3:270m",
    "image": f"registry.test/model-images/library/gemma3@sha256:{'1' * 64}",
    "digest": f"sha256:{'2' * 64}",
    "sizeBytes": 253,
}


def test_shared_models_are_sorted_so_that_their_order_restarts_nobody() -> None:
    other = SHARED | {"model": "a:1"}
    platform = platform_from_yaml(text(sharedModels={"images": [SHARED, other]}))

    assert platform.model_images == (
        ModelImage("a:1", SHARED["image"], SHARED["digest"], 253),
        ModelImage("gemma3:270m", SHARED["image"], SHARED["digest"], 253),
    )


@pytest.mark.parametrize("image", ["registry.test/gemma3:270m", "registry.test/gemma3"])
def test_a_shared_model_is_named_by_its_digest(image: str) -> None:
    with pytest.raises(InvalidSpecError, match=r"digest|sha256"):
        platform_from_yaml(text(sharedModels={"images": [SHARED | {"image": image}]}))


def test_every_block_reaches_its_place() -> None:
    platform = platform_from_yaml(
        text(
            hostTemplate="{tenant}.{domain}",
            ingress={"className": "t", "flavour": "traefik", "controller": A_CONTROLLER},
            issuer={"kind": "Issuer", "name": "ca"},
            storageClass="fast",
            network={
                "dns": {"namespace": "d", "labels": {}, "port": 1053},
                "trustedProxies": ["10.244.0.0/16"],
                "clusterCIDRs": ["10.244.0.0/16"],
                "apiServer": {"cidrs": ["203.0.113.1/32"]},
            },
            modelRegistry={
                "url": "http://r:5000",
                "pods": {"namespace": "r"},
                "opening": {"cidr": "10.0.0.1/32", "port": 1},
            },
            packageIndex={"url": "http://i", "opening": {"cidr": "10.0.0.2/32", "port": 2}},
            nodeSelector={"z": "1", "a": "2"},
        )
    )

    assert platform.ingress_controller == PodPeer("t", (("a", "b"),))
    assert (platform.issuer_kind, platform.issuer_name, platform.storage_class) == ("Issuer", "ca", "fast")
    assert (platform.dns, platform.dns_port) == (PodPeer("d"), 1053)
    assert platform.ingress_cidrs == ("192.0.2.0/28",)
    assert platform.trusted_proxies == ("10.244.0.0/16",)
    assert platform.cluster_cidrs == ("10.244.0.0/16", "203.0.113.1/32")
    assert platform.model_registry_pods == PodPeer("r")
    assert platform.model_registry_opening == Opening("10.0.0.1/32", 1)
    assert platform.package_index_opening == Opening("10.0.0.2/32", 2)
    assert platform.node_selector == (("a", "2"), ("z", "1"))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("a: [", "no YAML"),
        ("", "wrong"),
        (text(domian="x"), "domian: there is no such field"),
        (text(hostTemplate="ha.{domain}"), "hostTemplate: the template holds {tenant}"),
        (text(network={"trustedProxies": ["10.0.0.1/8"]}), "network.trustedProxies[0]: this is no range of addresses"),
    ],
)
def test_a_broken_file_is_refused_in_words(broken: str, said: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        platform_from_yaml(broken)
    assert said in caught.value.message
    assert caught.value.remedy
