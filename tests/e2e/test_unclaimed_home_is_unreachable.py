"""A home belongs to its resident before anybody can reach it: nobody who knocks meanwhile is offered it."""

from dataclasses import replace

from e2e.arrival import Answer, Arrival

# What Home Assistant itself answers once every step of its onboarding is done: the pages are not there any more.
NO_ONBOARDING = Answer("GET", 404, "404: Not Found")


def test_from_outside_no_home_was_offered_at_any_time(arrival: Arrival) -> None:
    assert NO_ONBOARDING in arrival.outside, "nobody saw the home in the end"
    assert not [answer for answer in arrival.outside if answer.offers_the_home]


def test_the_home_was_claimed_from_the_moment_it_listened(arrival: Arrival) -> None:
    assert arrival.knocks_before_it_listened, "we came too late to see the first moment"
    assert arrival.inside == {NO_ONBOARDING, replace(NO_ONBOARDING, method="POST")}


def test_the_route_was_made_after_the_claim(arrival: Arrival) -> None:
    assert arrival.claim["exitCode"] == 0
    assert arrival.routed_at >= arrival.claim["finishedAt"]
    assert arrival.home.condition("Claimed")["status"] == "True"
