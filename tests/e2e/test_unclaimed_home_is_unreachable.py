"""A home belongs to its resident before anybody can reach it: nobody who knocks meanwhile is offered it."""

from e2e.arrival import Arrival
from insula.domain import names


def test_from_outside_no_home_was_offered_at_any_time(arrival: Arrival) -> None:
    assert arrival.outside, "nobody knocked"
    assert not [answer for answer in arrival.outside if answer.offers_the_home]


def test_the_home_was_claimed_from_the_moment_it_listened(arrival: Arrival) -> None:
    assert arrival.knocks_before_it_listened, "we came too late to see the first moment"
    assert {answer.method for answer in arrival.inside} == {"GET", "POST"}
    assert not [answer for answer in arrival.inside if answer.offers_the_home]


def test_the_route_was_made_after_the_claim(arrival: Arrival) -> None:
    (pod,) = arrival.home.pods(names.HOME_ASSISTANT)
    (claim,) = pod["status"]["initContainerStatuses"]
    claimed_at = claim["state"]["terminated"]["finishedAt"]
    assert claim["state"]["terminated"]["exitCode"] == 0
    assert arrival.home.get("ingress", names.HOME_ASSISTANT)["metadata"]["creationTimestamp"] >= claimed_at
    assert arrival.home.condition("Claimed")["status"] == "True"
