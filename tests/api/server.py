"""A real etcd and a real kube-apiserver on loopback, without nodes and without controllers."""

import asyncio
import contextlib
import ctypes
import functools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from api.certificates import Authority, private_pem
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest
from insula.kube import requests
from insula.kube.client import Client
from insula.kube.config import Access

T = TypeVar("T")

ADDRESS = "127.0.0.1"
START_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1

# Writes only: what a quiet operator must not leave in the log.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:nodes"]},
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


class ApiServer:
    """Starts, stops and restarts the two programs; its data live in one directory."""

    def __init__(self, programs: Mapping[str, Path], directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._authority = Authority()
        self._ports = {name: free_port() for name in ("etcd", "peers", "api")}
        self.audit_log = directory / "audit.log"
        self._write_files()

    @property
    def processes(self) -> Mapping[str, int]:
        """The ids of the running programs by name."""
        return {name: process.pid for name, process in self._processes.items()}

    @property
    def access(self) -> Access:
        """The access of a cluster administrator."""
        return self.access_of("insula-tests", "system:masters")

    def access_of(self, name: str, group: str) -> Access:
        """The access of a person in a group."""
        person = self._authority.person(name, group)
        return Access(
            server=f"https://{ADDRESS}:{self._ports['api']}",
            ca_pem=self._authority.certificate,
            certificate_pem=person.certificate,
            key_pem=person.key,
        )

    async def start(self) -> None:
        """Start both programs and return when the API server is ready."""
        self._spawn("etcd", self._etcd_arguments())
        await self.start_api()

    async def start_api(self) -> None:
        """Start the API server alone."""
        self._spawn("kube-apiserver", self._api_arguments())
        ready = requests.Request("get", "readyz", "GET", "/readyz")
        async with Client(self.access) as client:
            for _ in range(int(START_TIMEOUT_S / 0.1)):
                with contextlib.suppress(InsulaError):
                    await client.send(ready)
                    return
                self._require_alive()
                await asyncio.sleep(0.1)
        raise AssertionError(f"the API server was not ready within {START_TIMEOUT_S} s: {self._tail()}")

    def stop_api(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Stop the API server alone; etcd keeps what it was told."""
        self._stop("kube-apiserver", how)

    @contextlib.contextmanager
    def frozen_etcd(self) -> Iterator[None]:
        """Let etcd stand still."""
        etcd = self._processes["etcd"]
        etcd.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            etcd.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop both."""
        for name in ("kube-apiserver", "etcd"):
            if name in self._processes:
                self._stop(name, signal.SIGKILL)
        for log in self._logs:
            log.close()

    def writes(self) -> Iterator[dict[str, Any]]:
        """Yield every write that the API server has answered so far, oldest first."""
        for line in self.audit_log.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        log = (self._directory / f"{name}.log").open("ab")
        self._logs.append(log)
        self._processes[name] = subprocess.Popen(
            [self._programs[name], *arguments],
            stdout=log,
            stderr=log,
            cwd=self._directory,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # one call into libc, no lock involved
            env={"PATH": os.environ["PATH"], "HOME": str(self._directory), "GOGC": "400"},
        )

    def _stop(self, name: str, how: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _require_alive(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}: {self._tail()}")

    def _tail(self) -> str:
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(self._directory.glob("*.log"))]
        return "\n".join(texts)

    def _write_files(self) -> None:
        serving = self._authority.serving(ADDRESS)
        tokens = private_pem(ec.generate_private_key(ec.SECP256R1()))
        files = {
            "ca.pem": self._authority.certificate,
            "serving.pem": serving.certificate,
            "serving-key.pem": serving.key,
            "tokens-key.pem": tokens,
            "audit.json": json.dumps(AUDIT_POLICY).encode(),
        }
        for name, content in files.items():
            (self._directory / name).write_bytes(content)
        self.audit_log.touch()

    def _etcd_arguments(self) -> list[str]:
        client, peer = (f"http://{ADDRESS}:{self._ports[name]}" for name in ("etcd", "peers"))
        return [
            "--name=tests",
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=tests={peer}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=8589934592",  # ten thousand homes and their history
        ]

    def _api_arguments(self) -> list[str]:
        here = self._directory
        return [
            f"--etcd-servers=http://{ADDRESS}:{self._ports['etcd']}",
            f"--bind-address={ADDRESS}",
            f"--secure-port={self._ports['api']}",
            f"--tls-cert-file={here / 'serving.pem'}",
            f"--tls-private-key-file={here / 'serving-key.pem'}",
            f"--client-ca-file={here / 'ca.pem'}",
            f"--service-account-key-file={here / 'tokens-key.pem'}",
            f"--service-account-signing-key-file={here / 'tokens-key.pem'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            # Pods are made by the tests themselves, and nobody makes service accounts' tokens here.
            "--disable-admission-plugins=ServiceAccount",
            f"--audit-policy-file={here / 'audit.json'}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=1000000",  # MB: one file, whose length is a place in it
            "--endpoint-reconciler-type=none",
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    # A test run that is killed must not leave servers behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def install(client: Client, definitions: list[Manifest]) -> None:
    """Apply CustomResourceDefinitions and wait until the API server serves their kinds."""
    for definition in definitions:
        await client.apply(definition)
    for definition in definitions:
        spec = definition["spec"]
        plural = spec["names"]["plural"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{plural}"
        await eventually(functools.partial(client.json, requests.Request("list", plural, "GET", path)))


async def eventually(attempt: Callable[[], Awaitable[T]], *, within_s: float = 30.0, every_s: float = 0.05) -> T:
    """Return what an attempt returns once it neither fails nor is empty."""
    deadline = time.monotonic() + within_s
    while True:
        problem: object = "it stayed empty"
        try:
            if result := await attempt():
                return result
        except (InsulaError, AssertionError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {problem}")
        await asyncio.sleep(every_s)
