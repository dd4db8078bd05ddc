"""Images from Containerfiles, built with buildah in a chroot: no daemon, no Docker, a storage of our own.

Each build starts from an image archive or a reference, and ends as a docker-archive, which containerd imports. What
this machine needs to reach package registries (proxies, certificates, indexes) is lent to the build and stays outside.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from insula.domain.errors import RefusedError, UnavailableError, cap

REPOSITORY: Final = "localhost/insula"
SUITE: Final = "trixie"

# Where Debian keeps its bundle of certificates, on this machine and in every image that stands on base.
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
# Containerfiles declare those that they use; none leaves a trace unless it is set here.
LENT_ARGUMENTS: Final = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")
# Texts for people, which nobody reads in a container.
LEFT_OUT: Final = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*")


def build(
    name: str,
    *,
    context: Path,
    base: str,
    args: Mapping[str, str],
    output: Path,
    storage: Path,
    tag: str = "latest",
) -> None:
    """Build the image `localhost/insula/<name>:<tag>` from `context`/Containerfile into the docker-archive `output`.

    Args:
        name: The image's last name.
        context: The directory with the Containerfile and all that it copies.
        base: What it stands on: an image's reference, or the path of an archive.
        args: More build arguments.
        output: The archive; it appears when it is whole.
        storage: A directory for buildah's layers, kept between builds.
        tag: The image's tag.

    Raises:
        RefusedError: The build failed; the message has its last lines.
    """
    image = f"{REPOSITORY}/{name}:{tag}"
    buildah = _buildah(storage)
    arguments = {"BASE": _base_image(buildah, base)} | _lent(os.environ) | dict(args)
    command = [*buildah, "build", "--isolation", "chroot", "--layers", "--pull=never", "--tag", image]
    if CERTIFICATES.is_file():
        command += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    _run([*command, str(context)])
    _push(buildah, image, output)


def smoke(name: str, script: Path, *, storage: Path, tag: str = "latest") -> str:
    """Run `script` in the image that `build` left in `storage`, as the image's user; return what it printed.

    Raises:
        RefusedError: The script failed.
    """
    buildah = _buildah(storage)
    container = _run([*buildah, "from", "--pull-never", f"{REPOSITORY}/{name}:{tag}"]).strip()
    try:
        lent = ["--volume", f"{script.resolve()}:/smoke.sh:ro"]
        return _run([*buildah, "run", "--isolation", "chroot", *lent, container, "sh", "/smoke.sh"])
    finally:
        _run([*buildah, "rm", container])


def make_base(output: Path, *, packages: Sequence[str], storage: Path, mirror: str = "") -> None:
    """Make `localhost/insula/base` of Debian packages, as the docker-archive `output`.

    Args:
        output: The archive; it appears when it is whole.
        packages: What images/base/packages.txt names.
        storage: A directory for buildah's layers, kept between builds.
        mirror: Debian's mirror; empty: the one that this machine's apt uses.
    """
    buildah, image = _buildah(storage), f"{REPOSITORY}/base:latest"
    with tempfile.TemporaryDirectory(dir=_made(storage)) as scratch:
        rootfs = Path(scratch) / "rootfs.tar"
        command = ["mmdebstrap", "--variant=minbase", "--components=main", f"--include={','.join(packages)}"]
        command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        # mmdebstrap leaves this machine's name server and name behind.
        command += ['--customize-hook=rm --force "$1/etc/resolv.conf" "$1/etc/hostname"', SUITE, str(rootfs)]
        _run([*command, mirror or read_mirror(Path("/etc/apt"))])
        import_rootfs(rootfs, image, buildah)
    _push(buildah, image, output)


def import_rootfs(rootfs: Path, image: str, buildah: Sequence[str]) -> None:
    """Make an image of one layer from the tar of a root file system."""
    with tempfile.TemporaryDirectory(dir=rootfs.parent) as context:
        (Path(context) / "rootfs.tar").hardlink_to(rootfs)
        file = Path(context) / "Containerfile"
        file.write_text("FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n")
        _run([*buildah, "build", "--isolation", "chroot", "--tag", image, context])


def read_packages(file: Path) -> list[str]:
    """Return the packages named in images/base/packages.txt."""
    return file.read_text(encoding="utf-8").split()


def read_mirror(apt: Path) -> str:
    """Return the first mirror in apt's sources, in either of their two forms.

    Raises:
        UnavailableError: There is none; the caller names one then.
    """
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("URIs:") and "/debian" in line:
                return line.split()[1]
    for file in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        words = file.read_text(encoding="utf-8").split() if file.is_file() else []
        for word in words:
            if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                return word
    raise UnavailableError("apt's sources name no Debian mirror", remedy="pass the mirror's URL")


def lay_out_insula(repository: Path, context: Path) -> None:
    """Fill `context` for images/insula: the Containerfile, Insula's wheel, and its locked requirements with hashes."""
    context.mkdir(parents=True, exist_ok=True)
    shutil.copy(repository / "images" / "insula" / "Containerfile", context)
    for old in context.glob("*.whl"):
        old.unlink()
    _run(["uv", "build", "--quiet", "--wheel", "--out-dir", str(context), str(repository)])
    export = ["uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"]
    _run([*export, "--project", str(repository), "--output-file", str(context / "requirements.txt")])


def _buildah(storage: Path) -> list[str]:
    _made(storage)
    return ["buildah", "--root", str(storage / "layers"), "--runroot", str(storage / "run")]


def _base_image(buildah: Sequence[str], base: str) -> str:
    """Return a reference that the storage knows: archives are brought in first."""
    if not Path(base).is_file():
        return base
    return _run([*buildah, "pull", "--quiet", f"docker-archive:{base}"]).strip()


def _push(buildah: Sequence[str], image: str, output: Path) -> None:
    """Write an image as an archive that carries its name."""
    draft = _made(output.parent) / f".{output.name}.draft"
    draft.unlink(missing_ok=True)
    _run([*buildah, "push", "--quiet", image, f"docker-archive:{draft}:{image}"])
    draft.replace(output)


def _lent(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments that this machine's own settings ask for. Proxies are buildah's to pass on."""
    return {name: environment[name] for name in LENT_ARGUMENTS if environment.get(name)}


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _run(command: Sequence[str]) -> str:
    """Run a program, gently; return its standard output."""
    done = subprocess.run(["nice", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        raise RefusedError(f"{command[0]} ended with {done.returncode}: {cap(chr(10).join(tail), 2000)}")
    return done.stdout
