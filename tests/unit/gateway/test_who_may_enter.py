import json
from datetime import UTC, datetime, timedelta

import pytest
from gateway_house import ALICE, BOB, House, a_home_slice, a_house, a_namespace, a_slice

from insula.services.keys import SigningKeys


async def status_and_body(house: House, path: str = "/api/chat", *, key: str) -> tuple[int, str]:
    async with house.ask("POST", path, key=key, json={"model": "m"}) as response:
        return response.status, await response.text()


async def test_a_request_without_a_key_is_answered_401_as_ollama_would() -> None:
    async with a_house() as house, house.client.get(house.url + "/api/tags") as response:
        assert response.status == 401
        assert response.headers["Content-Type"].startswith("application/json")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert set(json.loads(await response.text())) == {"error"}
        assert house.ollama.asked == []


async def test_a_key_of_another_signer_is_refused() -> None:
    async with a_house() as house:
        assert (await status_and_body(house, key=SigningKeys.generate().tenant_key(ALICE, 1)))[0] == 401


async def test_a_key_with_a_changed_signature_is_refused() -> None:
    async with a_house() as house:
        key = house.key[:-2] + ("AA" if house.key[-2:] != "AA" else "BA")
        assert (await status_and_body(house, key=key))[0] == 401


async def test_a_key_changed_to_another_tenant_is_refused() -> None:
    async with a_house() as house:
        assert (await status_and_body(house, key=house.key.replace(ALICE, BOB)))[0] == 401


async def test_a_key_of_a_generation_that_is_not_in_force_is_refused() -> None:
    async with a_house() as house:
        status, body = await status_and_body(house, key=house.signing.tenant_key(ALICE, 2))
        assert status == 401
        assert "generation 2" in body


async def test_a_new_generation_retires_the_old_key_at_once() -> None:
    async with a_house() as house:
        house.directory.put_namespace(a_namespace("alice", ALICE, generation="2"))
        assert (await status_and_body(house, key=house.signing.tenant_key(ALICE, 1)))[0] == 401
        assert (await status_and_body(house, key=house.signing.tenant_key(ALICE, 2)))[0] == 200


async def test_an_older_key_opens_until_its_grace_ends() -> None:
    ends = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
    times = iter([ends - timedelta(seconds=1), ends])
    async with a_house(now=lambda: next(times)) as house:
        house.directory.put_namespace(a_namespace("alice", ALICE, generation="2", grace="1/2026-11-25T12:00:00Z"))
        old = house.signing.tenant_key(ALICE, 1)
        assert [(await status_and_body(house, key=old))[0] for _ in range(2)] == [200, 401]


@pytest.mark.parametrize("generation", [1, 4])
async def test_a_grace_opens_neither_for_keys_before_it_nor_for_those_to_come(generation: int) -> None:
    async with a_house(now=lambda: datetime(2026, 11, 25, tzinfo=UTC)) as house:
        house.directory.put_namespace(a_namespace("alice", ALICE, generation="3", grace="2/2026-11-25T12:00:00Z"))
        assert (await status_and_body(house, key=house.signing.tenant_key(ALICE, generation)))[0] == 401
        assert (await status_and_body(house, key=house.signing.tenant_key(ALICE, 2)))[0] == 200


async def test_a_tenant_that_is_gone_is_refused() -> None:
    async with a_house() as house:
        house.directory.drop_namespace(a_namespace("alice", ALICE))
        assert (await status_and_body(house, key=house.key))[0] == 401


async def test_each_key_reaches_its_own_ollama_only() -> None:
    async with a_house() as house:
        status, body = await status_and_body(house, key=house.signing.tenant_key(BOB, 1))
        assert status == 503
        assert "bob" in body
        assert house.ollama.asked == []


async def test_a_home_whose_ollama_is_not_ready_is_told_when_to_come_again() -> None:
    async with a_house() as house:
        response = await house.ask("POST", "/api/chat", key=house.signing.tenant_key(BOB, 1), json={})
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "not ready" in (await response.json())["error"]


async def test_a_backend_that_refuses_connections_is_not_ready_either() -> None:
    async with a_house() as house:
        house.directory.put_slice(a_slice("alice", "127.0.0.1", port=1))
        async with house.ask("POST", "/api/chat", json={}) as response:
            assert response.status == 503
            assert "Retry-After" in response.headers


async def test_a_key_used_from_another_home_is_refused() -> None:
    async with a_house() as house:
        house.directory.put_slice(a_home_slice("bob", "127.0.0.1"))
        status, body = await status_and_body(house, key=house.key)
        assert (status, json.loads(body)) == (401, {"error": "this key belongs to another home"})
        assert house.ollama.asked == []


async def test_a_key_used_from_its_own_home_is_taken() -> None:
    async with a_house() as house:
        house.directory.put_slice(a_home_slice("alice", "127.0.0.1"))
        assert (await status_and_body(house, key=house.key))[0] == 200


async def test_where_a_request_says_it_comes_from_is_not_believed() -> None:
    async with a_house() as house:
        house.directory.put_slice(a_home_slice("bob", "127.0.0.1"))
        said = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1"}
        async with house.ask("POST", "/api/chat", headers=said, json={}) as response:
            assert response.status == 401


async def test_before_the_directory_is_complete_nobody_is_told_that_the_key_is_wrong() -> None:
    async with a_house(synced=False) as house:
        assert (await status_and_body(house, key=house.signing.tenant_key(BOB, 1)))[0] == 503


async def test_a_key_in_the_path_opens_the_door_and_does_not_reach_ollama() -> None:
    async with a_house() as house:
        async with house.client.post(f"{house.url}/t/{house.key}/api/chat", json={"model": "m"}) as response:
            assert response.status == 200
            await response.read()
        assert house.ollama.asked[0] == ("POST", "/api/chat")


@pytest.mark.parametrize("path", ["/t/", "/t/x", "/t//api/chat", "/t/a.b.c.d/api/chat", "/t/%00/api/tags"])
async def test_a_false_key_in_the_path_is_refused(path: str) -> None:
    async with a_house() as house, house.client.post(house.url + path) as response:
        assert response.status == 401


async def test_on_openai_paths_a_refusal_has_openais_shape() -> None:
    async with a_house() as house:
        _, body = await status_and_body(house, "/v1/chat/completions", key="wrong")
        error = json.loads(body)["error"]
        assert error["type"] == "invalid_request_error"
        assert error["code"] == "invalid_api_key"
        assert error["message"]


async def test_no_key_is_ever_logged() -> None:
    async with a_house() as house:
        wrong = house.signing.tenant_key(ALICE, 7)
        for key in (house.key, wrong):
            await status_and_body(house, key=key)
            await status_and_body(house, f"/t/{key}/api/chat", key=key)
            await status_and_body(house, f"/t/{key}/api/delete", key=key)
            await status_and_body(house, f"/api/{key}", key=key)
            await status_and_body(house, f"/t/x/{key}", key=key)
        text = house.lines.getvalue()
        assert len(house.logged()) == 10
        for key in (house.key, wrong):
            assert key.rpartition(".")[2] not in text


async def test_a_refusal_is_recorded_with_its_reason() -> None:
    async with a_house() as house:
        await status_and_body(house, key="nonsense")
        (line,) = house.logged()
        assert (line["status"], line["outcome"]) == (401, "refused")
        assert line["reason"]
        assert len(line["request_id"]) == 32
