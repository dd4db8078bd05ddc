import pytest
from cli_fakes import FakeCluster, FakeHome, a_condition, a_home, a_request_line, a_tenant

from insula.domain.errors import InsulaError, NotFoundError, RefusedError, UnavailableError
from insula.domain.names import HOME_ASSISTANT
from insula.services import asking
from insula.services.asking import Account, Door

PARIS = " Paris\n"


async def put(cluster: FakeCluster, home: FakeHome, *, with_trace: bool = False) -> asking.Answer:
    return await asking.ask(cluster, home.log_in, "alice", "Capital of France?", with_trace=with_trace)


async def test_the_answer_is_what_the_default_agent_said() -> None:
    home = FakeHome(PARIS)
    answer = await put(FakeCluster(*a_home()), home)
    assert answer.text == "Paris"
    assert home.heard == [("Capital of France?", "conversation.ollama")]


async def test_the_home_is_entered_by_its_own_host_at_the_address_of_its_route_with_its_own_authority() -> None:
    home = FakeHome(PARIS)
    await put(FakeCluster(*a_home()), home)
    assert home.visits == [(Door("ha.alice.insula.test", "10.99.0.11", "the CA"), Account("insula", "sesame"))]


async def test_a_route_without_an_address_leaves_the_name_to_dns() -> None:
    objects = a_home()
    ingress = next(each for each in objects if each["kind"] == "Ingress")
    ingress["status"] = {}
    assert (await asking.find_door(FakeCluster(*objects), "alice")).address == ""


async def test_a_password_is_not_in_the_repr_of_an_account() -> None:
    assert "sesame" not in repr(Account("insula", "sesame"))


async def test_an_unknown_tenant_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no tenant 'alice'"):
        await put(FakeCluster(), FakeHome(PARIS))


async def test_a_suspended_tenant_is_not_asked() -> None:
    home = FakeHome(PARIS)
    with pytest.raises(UnavailableError, match="suspended"):
        await put(FakeCluster(a_tenant(suspended=True)), home)
    assert not home.visits


async def test_a_home_without_a_route_says_which_condition_is_missing() -> None:
    conditions = [a_condition("Accepted"), a_condition("Claimed", "False", "Claiming", "the accounts are being made")]
    objects = [each for each in a_home(conditions=conditions) if each["metadata"]["name"] != HOME_ASSISTANT]
    with pytest.raises(UnavailableError, match=r"no route yet: Claimed: the accounts are being made \(Claiming\)"):
        await put(FakeCluster(*objects), FakeHome(PARIS))


@pytest.mark.parametrize(
    "trouble",
    [
        RefusedError("the agent answered with an error: Sorry, I had a problem talking to the Ollama server"),
        RefusedError("Home Assistant answered 400: invalid agent ID"),
        UnavailableError("Home Assistant did not answer"),
    ],
    ids=["an error answer", "a refusal", "silence"],
)
async def test_an_answer_that_is_none_is_an_error_that_names_the_sleeping_ollama(trouble: InsulaError) -> None:
    with pytest.raises(UnavailableError, match="alice's Ollama is at zero replicas"):
        await put(FakeCluster(*a_home(ollama_replicas=0)), FakeHome(trouble))


async def test_a_failed_answer_with_a_healthy_ollama_tells_the_condition_that_does_not_hold() -> None:
    conditions = [a_condition("ModelsReady", "False", "Pulling", "pulling gemma3:270m, 43 %")]
    with pytest.raises(UnavailableError, match="pulling gemma3:270m, 43 %"):
        await put(
            FakeCluster(*a_home(conditions=conditions)), FakeHome(RefusedError("the agent answered with an error"))
        )


async def test_a_trace_is_the_request_that_the_gateway_wrote_since_the_question() -> None:
    cluster = FakeCluster(*a_home(), log=a_request_line(request_id="earlier") + "not json\n")
    home = FakeHome(PARIS)
    home.cluster = cluster
    home.writes = a_request_line(request_id="mine", eval_count=3, eval_duration=500_000_000, model_digest="sha256:1")
    home.writes += a_request_line("bob", request_id="his")
    trace = (await put(cluster, home, with_trace=True)).trace
    assert trace is not None
    assert (trace.request_id, trace.eval_count, trace.eval_seconds, trace.model_digest) == ("mine", 3, 0.5, "sha256:1")


async def test_only_chats_of_the_tenant_are_traced() -> None:
    cluster = FakeCluster(*a_home(), log=a_request_line(path="/api/tags"))
    home = FakeHome(PARIS)
    home.cluster, home.writes = cluster, a_request_line(request_id="mine", timestamp="2026-11-25T08:00:02Z")
    trace = (await put(cluster, home, with_trace=True)).trace
    assert trace is not None
    assert trace.request_id == "mine"
