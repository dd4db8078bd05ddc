"""The registry is no secret art: a plain `ollama pull` takes a model from it."""

import json

from e2e.house import MODEL, Home, until
from insula.sandbox.cluster import Cluster

NAMESPACE = "insula-registry"
POD = "plain-ollama"
NAME = f"registry.{NAMESPACE}.svc.cluster.local:5000/library/{MODEL}"
PULL = f"""
ollama serve >/dev/null 2>&1 &
until ollama list >/dev/null 2>&1; do sleep 0.2; done
ollama pull --insecure {NAME} >/dev/null && ollama list && ollama show {NAME} --template
"""


def a_pod(image: str) -> str:
    container = {
        "name": "ollama",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", PULL],
        "env": [{"name": "OLLAMA_MODELS", "value": "/models"}, {"name": "HOME", "value": "/tmp"}],
        "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "models", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001},
        "volumes": [{"name": "models", "emptyDir": {}}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec})


def remove(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pod", POD, "-n", NAMESPACE, "--ignore-not-found", "--grace-period=1")


def test_a_plain_ollama_pulls_from_the_registry(cluster: Cluster, alice: Home) -> None:
    image = alice.get("deployment", "ollama")["spec"]["template"]["spec"]["containers"][0]["image"]
    remove(cluster)
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=a_pod(image))
    try:

        def ended() -> str | None:
            phase = cluster.get("pod", POD, "-n", NAMESPACE)["status"]["phase"]
            return str(phase) if phase in {"Succeeded", "Failed"} else None

        phase, said = until("the end of the pull", ended, timeout_s=120), cluster.kubectl("logs", POD, "-n", NAMESPACE)
        assert phase == "Succeeded", said
        assert NAME in said
        assert "{{ .Content }}" in said  # the prompt template came with the weights
    finally:
        remove(cluster)
