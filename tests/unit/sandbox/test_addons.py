"""The add-ons' files: for every sandbox they are what Kubernetes and the charts take, of images that are built here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from insula.contract.values import Values
from insula.sandbox import versions
from insula.sandbox.builds import catalogue, images
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import SANDBOX_NAMES, Layout

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/insula"
ADDONS = ROOT / "src/insula/sandbox/addons"
VALUES = tuple(sorted(path.name for path in ADDONS.glob("*-values.yaml")))
MANIFESTS = tuple(sorted({path.name for path in ADDONS.glob("*.yaml")} - set(VALUES)))
POLICIES = {"pullPolicy", "imagePullPolicy"}
# Keys that YAML would read as numbers if they stood without quotes.
TAGS = {"insula": "1234567890123456", "home-assistant": "12345678e9012345", "ollama": "0123456701234567"}

CLUSTERS = [Cluster(Layout.named(name, {}), Path("bin"), TAGS) for name in SANDBOX_NAMES]


@pytest.fixture(params=CLUSTERS, ids=SANDBOX_NAMES)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    assert isinstance(request.param, Cluster)
    return request.param


def documents(cluster: Cluster, addon: str) -> list[Any]:
    return list(yaml.safe_load_all(cluster.text(addon)))


def nodes(value: Any) -> Iterator[Any]:
    """Yield a value and all values in it, those in embedded YAML too."""
    yield value
    if isinstance(value, str) and "\n" in value and "kind: Pod" in value:
        yield from nodes(yaml.safe_load(value))
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from nodes(child)


def image_of(value: Any) -> Iterator[str]:
    """Yield the image that a mapping names, in a manifest or in a chart's values."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("image"), str):
        yield value["image"]
    if "override" in value:
        yield value["override"]
    if "repository" in value:
        yield f"{value['repository']}:{value['tag']}"


def images_in(cluster: Cluster, addon: str) -> set[str]:
    return {image for value in nodes(documents(cluster, addon)) for image in image_of(value)}


def built() -> set[str]:
    """Return the full names of the images that are built without a Containerfile."""
    named = (name for recipe in catalogue.everything() if recipe.name.startswith("image/") for name in recipe.inputs)
    return {f"{images.REPOSITORY}/{name}" for name in named}


@pytest.mark.parametrize("addon", MANIFESTS)
def test_manifests_are_objects_of_kubernetes(cluster: Cluster, addon: str) -> None:
    for document in documents(cluster, addon):
        assert {"apiVersion", "kind", "metadata"} <= document.keys()
        assert isinstance(document["metadata"]["name"], str)


@pytest.mark.parametrize("addon", MANIFESTS)
def test_manifests_name_each_object_once(cluster: Cluster, addon: str) -> None:
    found = [
        (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        for document in documents(cluster, addon)
    ]

    assert len(found) == len(set(found))


@pytest.mark.parametrize("addon", VALUES)
def test_values_of_a_chart_are_one_mapping(cluster: Cluster, addon: str) -> None:
    (values,) = documents(cluster, addon)

    assert isinstance(values, dict)
    assert all(isinstance(key, str) for key in values)


@pytest.mark.parametrize("addon", [*VALUES, *MANIFESTS])
def test_every_image_is_one_of_ours_and_never_pulled(cluster: Cluster, addon: str) -> None:
    assert all(image.startswith("localhost/insula/") for image in images_in(cluster, addon))
    policies = {
        value[key]
        for value in nodes(documents(cluster, addon))
        if isinstance(value, dict)
        for key in POLICIES & {*value}
    }
    assert policies <= {"Never"}


@pytest.mark.parametrize("addon", sorted({*VALUES, *MANIFESTS} - {"insula-values.yaml", "issuer.yaml"}))
def test_every_image_is_built_under_that_very_name(cluster: Cluster, addon: str) -> None:
    assert images_in(cluster, addon)
    assert images_in(cluster, addon) <= built()


def test_images_of_insula_have_the_tags_of_their_builds(cluster: Cluster) -> None:
    assert images_in(cluster, "insula-values.yaml") == {f"localhost/insula/{name}:{tag}" for name, tag in TAGS.items()}


def test_every_version_is_a_text_where_yaml_could_read_a_number(cluster: Cluster) -> None:
    for addon in VALUES:
        tags = [
            value["tag"] for value in nodes(documents(cluster, addon)) if isinstance(value, dict) and "tag" in value
        ]
        assert all(isinstance(tag, str) for tag in tags)


def test_values_of_insula_follow_the_schema_of_its_chart(cluster: Cluster) -> None:
    (values,) = documents(cluster, "insula-values.yaml")

    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))


def test_values_of_insula_are_what_its_operator_reads(cluster: Cluster) -> None:
    (values,) = documents(cluster, "insula-values.yaml")
    platform = Values.model_validate(values)

    assert platform.domain == "insula.test"
    assert platform.network.trusted_proxies == (str(cluster.layout.pod_cidr),)


def test_network_and_addresses_are_those_of_the_sandbox(cluster: Cluster) -> None:
    (cilium,) = documents(cluster, "cilium-values.yaml")
    (values,) = documents(cluster, "insula-values.yaml")

    assert cilium["k8sServiceHost"] == str(cluster.layout.node_address("n1"))
    assert cilium["ipam"]["operator"]["clusterPoolIPv4PodCIDRList"] == [str(cluster.layout.pod_cidr)]
    assert values["packageIndex"]["url"].startswith(f"http://{cluster.layout.bridge_address}:")
    assert values["packageIndex"]["opening"]["cidr"] == f"{cluster.layout.bridge_address}/32"


def test_driver_of_volumes_is_told_the_name_of_its_node_by_kubernetes(cluster: Cluster) -> None:
    (driver,) = (one for one in documents(cluster, "storage.yaml") if one["kind"] == "DaemonSet")
    (container,) = driver["spec"]["template"]["spec"]["containers"]

    assert "$(NODE)" in container["args"]
    assert [variable["name"] for variable in container["env"]] == ["NODE"]


def test_one_class_of_volumes_is_the_default_and_grows(cluster: Cluster) -> None:
    found = [one for addon in MANIFESTS for one in documents(cluster, addon) if one["kind"] == "StorageClass"]

    assert [one["allowVolumeExpansion"] for one in found] == [True]
    assert found[0]["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_traefik_tells_ingresses_the_address_of_the_node(cluster: Cluster) -> None:
    assert f"publishstatusaddress={cluster.layout.node_address('n1')}" in cluster.text("traefik.yaml")


def test_kubeadm_finds_the_images_that_it_looks_for() -> None:
    assert {
        f"localhost/insula/{name}"
        for name in (
            *(
                f"kube-{part}:{versions.KUBERNETES}"
                for part in ("apiserver", "controller-manager", "scheduler", "proxy")
            ),
            *(f"etcd:{versions.ETCD}", f"coredns:{versions.COREDNS}", f"pause:{versions.KUBEADM_PAUSE}"),
        )
    } <= built()
