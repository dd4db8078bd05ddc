"""The versions of what the sandbox runs: the one place to raise one. A raised version is another recipe."""

from typing import Final

KUBERNETES: Final = "v1.37.2"
ETCD: Final = "3.7.0-0"  # kubeadm's tag for etcd 3.7.0
COREDNS: Final = "v1.12.4"
CILIUM: Final = "v1.20.2"
CERT_MANAGER: Final = "v1.11.5"  # the last line whose programs are in the main module
STORAGE: Final = "2"  # our own; raised with each change, for pods are replaced when the name of their image changes
REGISTRY: Final = "v3.1.2-2"  # the last number is our own, raised with each change of our main program
TRAEFIK: Final = "3.7.15"
PAUSE: Final = "1"
KUBEADM_PAUSE: Final = "3.10.2"  # the tag that kubeadm looks for before it begins
HOME_ASSISTANT: Final = "2026.2.3"  # the newest for the Python of Debian 13
OLLAMA: Final = "0.17.4"
