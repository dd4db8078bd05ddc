"""Logs in through a program, as the kubeconfigs of clouds ask for: it prints a token or a client certificate."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from insula.domain.errors import InvalidSpecError, UnavailableError, cap

LOGIN_TIMEOUT_S: Final = 60.0  # it may ask a cloud; a person who has to type something has none of our time to wait


def log_in(section: Mapping[str, Any], base: Path) -> dict[str, str]:
    """Run the program of a kubeconfig's `exec` section; return what a user's section would say in its place.

    Args:
        section: The `exec` section.
        base: The kubeconfig's directory, which relative commands start from.

    Raises:
        InvalidSpecError: There is no such program.
        UnavailableError: It failed, or printed no credential.
    """
    command = str(section.get("command", ""))
    program = str(base / command) if os.sep in command else shutil.which(command)
    if program is None:
        hint = cap(str(section.get("installHint") or "install it, or use a context with a token or a certificate"))
        raise InvalidSpecError(f"the kubeconfig logs in with `{command}`, which is not installed", remedy=hint)
    status = _credential(command, _run(program, section))
    said = {
        "token": str(status.get("token") or ""),
        "client-certificate-data": _encoded(status.get("clientCertificateData")),
        "client-key-data": _encoded(status.get("clientKeyData")),
    }
    return {key: text for key, text in said.items() if text}


def _run(program: str, section: Mapping[str, Any]) -> str:
    asked = {"apiVersion": section.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    wanted = {str(each["name"]): str(each["value"]) for each in section.get("env") or []}
    environment = {**os.environ, **wanted, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    words = [program, *(str(each) for each in section.get("args") or [])]
    try:
        done = subprocess.run(  # noqa: S603  # the person's own kubeconfig names the program
            words, env=environment, capture_output=True, text=True, timeout=LOGIN_TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"`{program}` could not log in: {cap(error.stderr.strip())}",
            remedy="run it by hand and follow what it says",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"`{program}` could not log in: {error}", remedy="run it by hand") from error
    return done.stdout


def _credential(command: str, text: str) -> Mapping[str, Any]:
    try:
        status = json.loads(text)["status"]
    except (ValueError, KeyError, TypeError):
        status = None
    if not isinstance(status, dict):
        raise UnavailableError(f"`{command}` printed no credential", remedy="run it by hand and see what it prints")
    return status


def _encoded(pem: object) -> str:
    return base64.b64encode(str(pem).encode()).decode() if pem else ""
