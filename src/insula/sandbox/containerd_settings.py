"""The settings of a node's container runtime."""

from typing import Final

from insula.sandbox import versions

# The tag is the one that kubeadm of this Kubernetes asks for, whatever the image holds.
PAUSE_IMAGE: Final = f"localhost/insula/pause:{versions.KUBEADM_PAUSE}"
REGISTRIES: Final = "/etc/containerd/certs.d"
SOCKET: Final = "unix:///run/containerd/containerd.sock"

# Snapshotters that probe for file systems and modules which a node lacks, and NRI, which no one uses here.
DISABLED_PLUGINS: Final = (
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


def render() -> str:
    """Return containerd's configuration file (version 3, for containerd 2)."""
    disabled = ", ".join(f'"{plugin}"' for plugin in DISABLED_PLUGINS)
    return f"""\
version = 3
disabled_plugins = [{disabled}]

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  discard_unpacked_layers = true  # the registry has them, and a model would take its size twice
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{REGISTRIES}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE a score below the daemon's own is refused and every static pod would die.
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
    use_internal_loopback = true  # no loopback plugin is needed
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false  # cgroupfs, also where systemd runs: the node's subtree is ours alone
"""


def render_registry(url: str) -> str:
    """Return the file that tells containerd where it finds a registry that it knows by another name."""
    return f"""\
server = "{url}"

[host."{url}"]
  capabilities = ["pull", "resolve"]
"""
