"""Watches a home come into being, from outside and from inside, for the moment in which somebody could take it."""

import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from e2e.house import MODEL, Home, create
from e2e.inside import TRY_TO_TAKE
from insula.domain import names
from insula.domain.errors import InsulaError
from insula.domain.manifests import Manifest

ONBOARDING: Final = "/api/onboarding"
LOOK_EVERY_S: Final = 0.1
LISTENING_S: Final = 6  # how long we knock after it began to listen: until all its integrations are loaded


@dataclass(frozen=True)
class Answer:
    """What the onboarding answered to somebody who tried to take the home."""

    method: str
    status: int
    body: str

    @property
    def offers_the_home(self) -> bool:
        """Say whether the home belongs to nobody: a step is open, or an account was made."""
        if self.method != "GET":
            return self.status < http.client.BAD_REQUEST
        return self.status == http.client.OK and any(not step["done"] for step in json.loads(self.body))


@dataclass
class Arrival:
    """A home that was watched while it was made."""

    home: Home
    outside: set[Answer] = field(default_factory=set)
    inside: set[Answer] = field(default_factory=set)
    knocks_before_it_listened: int = 0
    claim: Manifest = field(default_factory=dict)
    """How the container ended that made the accounts."""
    routed_at: str = ""
    """When the route was made, as Kubernetes says it."""

    def watch(self, ingress: str) -> None:
        """Create the home, and knock at it all the while."""
        made = threading.Event()
        watchers = [
            threading.Thread(target=self._from_outside, args=(ingress, made)),
            threading.Thread(target=self._from_inside, args=(made,)),
        ]
        for watcher in watchers:
            watcher.start()
        try:
            create(self.home, "--model", MODEL)
            (pod,) = self.home.pods(names.HOME_ASSISTANT)
            (claim,) = pod["status"]["initContainerStatuses"]
            self.claim = claim["state"]["terminated"]
            self.routed_at = self.home.get("ingress", names.HOME_ASSISTANT)["metadata"]["creationTimestamp"]
        finally:
            made.set()
            for watcher in watchers:
                watcher.join()

    def _from_outside(self, ingress: str, made: threading.Event) -> None:
        while not made.wait(LOOK_EVERY_S):
            try:
                self.outside.add(knock(ingress, self.home.host))
            except OSError:  # a certificate or a route that is being made
                continue

    def _from_inside(self, made: threading.Event) -> None:
        """Knock from within the container, as soon as it runs: no wall is between."""
        while not made.is_set():
            try:
                seen = self.home.inside(TRY_TO_TAKE, str(LISTENING_S), timeout_s=180)
            except InsulaError:  # there is no container yet
                time.sleep(LOOK_EVERY_S)
                continue
            self.knocks_before_it_listened = seen["silent"]
            self.inside = {Answer(method, status, body) for method, _, status, body in seen["answers"]}
            return


def knock(ingress: str, host: str) -> Answer:
    """Ask for the onboarding through the ingress, whatever certificate it shows."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, context=trusting, timeout=10)
    plain = socket.create_connection((ingress, 443), timeout=10)
    try:
        connection.sock = trusting.wrap_socket(plain, server_hostname=host)
        connection.request("GET", ONBOARDING)
        answer = connection.getresponse()
        return Answer("GET", answer.status, answer.read().decode())
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
        plain.close()
