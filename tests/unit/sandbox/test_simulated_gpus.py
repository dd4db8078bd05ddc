"""Simulated GPUs: what is asked of Kubernetes, and that nothing but a request builds them."""

from pathlib import Path

import yaml

from insula.sandbox import simulated_gpus
from insula.sandbox.builds import catalogue, images
from insula.sandbox.cluster import Cluster
from insula.sandbox.layout import Layout
from insula.sandbox.simulated_gpus import ADDON, Devices

CLUSTER = Cluster(Layout.named("sandbox", {}), Path("bin"))


def test_a_sandbox_is_built_without_them() -> None:
    assert simulated_gpus.program.key not in {recipe.key for recipe in catalogue.everything()}


def test_the_device_plugin_runs_on_every_node_with_the_devices_that_were_asked_for() -> None:
    namespace, plugin = yaml.safe_load_all(CLUSTER.text(ADDON, Devices(3, 4, "nvidia.com/gpu.shared").to_values()))
    assert namespace["metadata"]["name"] == plugin["metadata"]["namespace"]
    assert plugin["kind"] == "DaemonSet"
    (container,) = plugin["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["serve", "nvidia.com/gpu.shared", "3", "4"]


def test_its_image_is_the_one_that_is_built() -> None:
    *_, plugin = yaml.safe_load_all(CLUSTER.text(ADDON, Devices().to_values()))
    (container,) = plugin["spec"]["template"]["spec"]["containers"]
    assert container["image"].removeprefix(f"{images.REPOSITORY}/") in simulated_gpus.image.inputs
    assert container["imagePullPolicy"] == "Never"
