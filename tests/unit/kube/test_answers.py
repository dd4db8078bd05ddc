"""What the API server's refusals become."""

import json

import pytest

from insula.domain.errors import ConflictError, InsulaError, NotFoundError, RefusedError, UnavailableError
from insula.domain.manifests import ObjectRef
from insula.kube import answers, requests
from insula.kube.answers import ExpiredError, ForbiddenError, InvalidObjectError, UnauthenticatedError

REQUEST = requests.get(ObjectRef("v1", "Namespace", "", "insula-alice"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, UnauthenticatedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (405, RefusedError),
        (409, ConflictError),
        (410, ExpiredError),
        (422, InvalidObjectError),
        (429, UnavailableError),
        (500, UnavailableError),
        (504, UnavailableError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[InsulaError]) -> None:
    assert type(answers.error_from(REQUEST, status, b"{}")) is kind


def test_the_servers_own_words_are_repeated() -> None:
    body = json.dumps({"kind": "Status", "message": "spec.foo: Required value"}).encode()
    assert "spec.foo: Required value" in str(answers.error_from(REQUEST, 422, body))


def test_long_words_are_cut() -> None:
    body = json.dumps({"message": "x" * 5000}).encode()
    assert len(str(answers.error_from(REQUEST, 422, body))) < 400


def test_an_answer_that_is_not_kubernetes_is_repeated_as_it_is() -> None:
    assert "<html>bad gateway" in str(answers.error_from(REQUEST, 502, b"<html>bad gateway"))


def test_the_server_says_when_to_come_back() -> None:
    assert answers.retry_after_s(429, {"Retry-After": "2"}) == 2.0


def test_nobody_waits_for_ever() -> None:
    assert answers.retry_after_s(503, {"Retry-After": "86400"}) == answers.MAX_RETRY_AFTER_S


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}])
def test_without_a_number_of_seconds_the_queue_decides(headers: dict[str, str]) -> None:
    assert answers.retry_after_s(503, headers) is None


def test_a_server_that_asks_for_patience_is_busy_and_says_how_long() -> None:
    error = answers.error_from(REQUEST, 429, b"{}", {"Retry-After": "17"})
    assert isinstance(error, answers.BusyError)
    assert error.retry_after_s == 17


def test_a_plain_failure_is_not_sent_again_by_the_client() -> None:
    assert answers.retry_after_s(500, {"Retry-After": "1"}) is None
