"""What kubeadm is told: the versions, image names and settings of a sandbox's Kubernetes, as pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from insula.sandbox import containerd_settings, versions
from insula.sandbox.layout import API_SERVER_PORT, NODE_NAMES, Layout

IMAGE_REPOSITORY: Final = "localhost/insula"
COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")

# The names under which kubeadm and the container runtime look for images.
IMAGES: Final = (
    *(f"{IMAGE_REPOSITORY}/{component}:{versions.KUBERNETES}" for component in COMPONENTS),
    f"{IMAGE_REPOSITORY}/etcd:{versions.ETCD}",
    f"{IMAGE_REPOSITORY}/coredns:{versions.COREDNS}",
    containerd_settings.PAUSE_IMAGE,
)

KUBEADM_API: Final = "kubeadm.k8s.io/v1beta4"
INSIDE: Final = "/etc/kubernetes"
AUDIT_POLICY: Final = f"{INSIDE}/audit-policy.yaml"
AUDIT_LOG: Final = "/var/log/kubernetes/audit.log"
PATCHES: Final = "patches"  # a directory in INSIDE
# /usr is read-only in a node, so volume plugins get another place than the usual one below /usr/libexec.
VOLUME_PLUGINS: Final = "/var/lib/kubelet/volumeplugins"

# A home has two pods and now and then a Job; the node's range of pod addresses ends at 254.
MAX_PODS: Final = 200

Manifest = Mapping[str, Any]


def init_settings(layout: Layout, node: str) -> str:
    """Return the file for `kubeadm init --config` on the first node of a cluster."""
    return _documents(
        [
            {
                "apiVersion": KUBEADM_API,
                "kind": "InitConfiguration",
                "localAPIEndpoint": {"advertiseAddress": str(layout.node_address(node)), "bindPort": API_SERVER_PORT},
                "nodeRegistration": _registration(layout, node),
                "patches": {"directory": f"{INSIDE}/{PATCHES}"},
            },
            _cluster(layout, node),
            _kubelet(),
            _kube_proxy(),
        ]
    )


def join_settings(layout: Layout, node: str, *, token: str, ca_hash: str) -> str:
    """Return the file for `kubeadm join --config` of a worker.

    Args:
        layout: The sandbox.
        node: The worker's name.
        token: A bootstrap token of the cluster.
        ca_hash: The hash of the cluster's CA key (`sha256:…`).
    """
    discovery = {
        "apiServerEndpoint": _endpoint(layout, NODE_NAMES[0]),
        "token": token,
        "caCertHashes": [ca_hash],
    }
    return _documents(
        [
            {
                "apiVersion": KUBEADM_API,
                "kind": "JoinConfiguration",
                "discovery": {"bootstrapToken": discovery},
                "nodeRegistration": _registration(layout, node),
            }
        ]
    )


def audit_policy() -> str:
    """Return the API server's audit policy: who did what to which object, without contents, when it is answered."""
    return _documents(
        [
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}],
            }
        ]
    )


# kubeadm asks for 850 thousandths of a core for these, which on a machine of two is the room of four homes. The API
# server and etcd, which all wait for, keep what kubeadm asks for them.
_SMALLER: Final = {
    "kube-controller-manager": ("v1", "Pod", 50),
    "kube-scheduler": ("v1", "Pod", 20),
    "corednsdeployment": ("apps/v1", "Deployment", 20),
}


def patches() -> dict[str, str]:
    """Return the files that lower what kubeadm asks for the cluster's own programs, by their names."""
    return {f"{target}+strategic.yaml": _documents([_asking(target)]) for target in _SMALLER}


def _asking(target: str) -> Manifest:
    version, kind, cpu_m = _SMALLER[target]
    name = "coredns" if kind == "Deployment" else target
    pod = {"containers": [{"name": name, "resources": {"requests": {"cpu": f"{cpu_m}m"}}}]}
    spec = {"template": {"spec": pod}} if kind == "Deployment" else pod
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "kube-system"}, "spec": spec}


def _registration(layout: Layout, node: str) -> Manifest:
    return {
        "name": node,
        "criSocket": containerd_settings.SOCKET,
        "imagePullPolicy": "IfNotPresent",
        "taints": [],  # the only node runs everything
        "kubeletExtraArgs": _arguments(
            {
                "cgroup-root": f"/{layout.host_name(node)}",
                "node-ip": str(layout.node_address(node)),
            }
        ),
    }


def _cluster(layout: Layout, node: str) -> Manifest:
    return {
        "apiVersion": KUBEADM_API,
        "kind": "ClusterConfiguration",
        "clusterName": f"insula-{layout.name}",
        "kubernetesVersion": versions.KUBERNETES,
        "imageRepository": IMAGE_REPOSITORY,
        "controlPlaneEndpoint": _endpoint(layout, node),
        "networking": {"podSubnet": str(layout.pod_cidr), "serviceSubnet": str(layout.service_cidr)},
        "dns": {"imageRepository": IMAGE_REPOSITORY, "imageTag": versions.COREDNS},
        "etcd": {"local": {"dataDir": "/var/lib/etcd", "imageRepository": IMAGE_REPOSITORY, "imageTag": versions.ETCD}},
        "encryptionAlgorithm": "ECDSA-P256",  # keys in no time, where RSA takes seconds of a busy core
        "apiServer": {
            "extraArgs": _arguments(
                {
                    "audit-policy-file": AUDIT_POLICY,
                    "audit-log-path": AUDIT_LOG,
                    "audit-log-maxsize": "50",  # MB
                    "audit-log-maxbackup": "2",
                }
            ),
            "extraVolumes": [
                _volume("audit-policy", AUDIT_POLICY, "File", read_only=True),
                _volume("audit-log", AUDIT_LOG.rpartition("/")[0], "DirectoryOrCreate", read_only=False),
            ],
        },
        "controllerManager": {"extraArgs": _arguments({"flex-volume-plugin-dir": VOLUME_PLUGINS})},
    }


def _kubelet() -> Manifest:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # a negative one needs CAP_SYS_RESOURCE
        "maxPods": MAX_PODS,
        "volumePluginDir": VOLUME_PLUGINS,
        "resolvConf": "/etc/resolv.conf",
        # Percentages of a large disk would evict pods and delete images while many GiB are free.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1Gi",
            "imagefs.available": "1Gi",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,  # 100: never, for no registry could bring the images back
        "imageGCLowThresholdPercent": 99,
    }


def _kube_proxy() -> Manifest:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "oomScoreAdj": 0,
        # The table's size is the whole machine's and cannot be set from a node's network namespace.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def _endpoint(layout: Layout, node: str) -> str:
    return f"{layout.node_address(node)}:{API_SERVER_PORT}"


def _arguments(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _volume(name: str, path: str, kind: str, *, read_only: bool) -> Manifest:
    return {"name": name, "hostPath": path, "mountPath": path, "pathType": kind, "readOnly": read_only}


def _documents(documents: Iterable[Manifest]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)
