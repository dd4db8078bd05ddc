"""The package index for pods: the machine's own, passed through, and no way to anywhere else."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port
from fake_index import WHEEL, Served, a_served_index
from yarl import URL

from insula.sandbox import package_index
from insula.sandbox.layout import Layout
from insula.sandbox.package_index import JSON_TYPE, MAX_FILE_HOSTS, application, upstream_index


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with a_served_index() as served:
        yield served


async def urls(served: Served, project: str = "demo") -> list[str]:
    answer = await served.client.get(f"/simple/{project}/")
    assert answer.status == 200
    page: dict[str, Any] = await answer.json(content_type=JSON_TYPE)
    return [file["url"] for file in page["files"]]


def host(served: Served) -> str:
    return served.origin.removeprefix("http://")


async def test_files_of_a_project_page_point_to_this_server_and_the_rest_stays(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl", "https://files.test/a/demo-2.whl"]

    answer = await served.client.get("/simple/demo/")

    assert answer.content_type == JSON_TYPE
    assert await answer.json(content_type=JSON_TYPE) == {
        "name": "demo",
        "files": [
            {
                "filename": "demo-1.whl",
                "url": f"/files/{host(served)}/packages/demo-1.whl",
                "hashes": {"sha256": "abc"},
            },
            {"filename": "demo-2.whl", "url": "/files/files.test/a/demo-2.whl", "hashes": {"sha256": "abc"}},
        ],
    }


async def test_index_is_asked_for_json(served: Served) -> None:
    served.index.projects["demo"] = []
    await urls(served)

    assert served.index.asked[0].headers["Accept"] == JSON_TYPE


async def test_file_passes_through_with_its_length(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl"]
    (url,) = await urls(served)

    answer = await served.client.get(url)

    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(WHEEL))
    assert answer.headers["ETag"] == '"1"'
    assert "Set-Cookie" not in answer.headers
    assert await answer.read() == WHEEL


async def test_file_comes_as_it_is_when_the_index_would_rather_compress_it(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl"]
    (url,) = await urls(served)

    answer = await served.client.get(f"{url}.metadata", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
    assert await answer.read() == WHEEL


async def test_range_is_passed(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl"]
    (url,) = await urls(served)

    answer = await served.client.get(url, headers={"Range": "bytes=1000-1999"})

    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(WHEEL)}"
    assert await answer.read() == WHEEL[1000:2000]


async def test_question_for_the_length_alone_is_passed_as_one(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl"]
    (url,) = await urls(served)

    answer = await served.client.head(url)

    assert answer.headers["Content-Length"] == str(len(WHEEL))
    assert await answer.read() == b""
    assert served.index.asked[-1].method == "HEAD"


async def test_relative_addresses_of_an_index_are_found(served: Served) -> None:
    served.index.projects["demo"] = ["../../packages/demo-1.whl"]
    (url,) = await urls(served)

    assert url == f"/files/{host(served)}/packages/demo-1.whl"
    assert await (await served.client.get(url)).read() == WHEEL


async def test_escaped_signs_and_questions_of_an_address_stay(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1%2Bcpu.whl?signature=a%2Fb#sha256=abc"]
    (url,) = await urls(served)
    await served.client.get(URL(url, encoded=True))

    assert served.index.asked[-1].raw_path == "/packages/demo-1%2Bcpu.whl?signature=a%2Fb"


async def test_host_that_the_index_has_not_named_is_refused(served: Served) -> None:
    answer = await served.client.get(f"/files/{host(served)}/packages/demo-1.whl")

    assert answer.status == 404
    assert await answer.text() == "the index has not named this host"
    assert served.index.asked == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://files.test/x"])
async def test_address_that_is_not_of_the_web_names_no_host(served: Served, address: str) -> None:
    served.index.projects["demo"] = [address]
    (url,) = await urls(served)

    assert (await served.client.get(url)).status == 404


async def test_index_that_names_hosts_without_end_does_not_open_them_all(served: Served) -> None:
    served.index.projects["many"] = [f"https://files{number}.test/x" for number in range(MAX_FILE_HOSTS)]
    served.index.projects["demo"] = [f"{served.origin}/packages/demo-1.whl"]
    await urls(served, "many")
    (url,) = await urls(served)

    assert (await served.client.get(url)).status == 404


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fetc", "-demo", "demo%20x", "demo%3Fx", "d" * 129])
async def test_name_that_no_project_has_is_not_asked_for(served: Served, name: str) -> None:
    assert (await served.client.get(f"/simple/{name}/")).status == 404
    assert served.index.asked == []


async def test_project_that_the_index_lacks_is_not_found(served: Served) -> None:
    assert (await served.client.get("/simple/nothing/")).status == 404
    assert len(served.index.asked) == 1


async def test_file_that_the_index_lacks_is_not_found(served: Served) -> None:
    served.index.projects["demo"] = [f"{served.origin}/packages/gone.whl"]
    (url,) = await urls(served)

    assert (await served.client.get(url)).status == 404


@pytest.mark.parametrize("page", ["<html>", "{}", '{"files": [1]}', "[]"])
async def test_index_without_json_is_told_apart(served: Served, page: str) -> None:
    served.index.broken = page

    answer = await served.client.get("/simple/demo/")

    assert answer.status == 502
    assert "PEP 691" in await answer.text()


async def test_index_that_does_not_answer_is_a_bad_gateway() -> None:
    server = TestServer(application(f"http://127.0.0.1:{unused_port()}/simple"))
    async with TestClient(server) as client:
        answer = await client.get("/simple/demo/")

        assert answer.status == 502
        assert await answer.text() == "the machine's index does not answer"


async def test_file_host_that_does_not_answer_is_a_bad_gateway(served: Served) -> None:
    served.index.projects["demo"] = [f"http://127.0.0.1:{unused_port()}/x.whl"]
    (url,) = await urls(served)

    assert (await served.client.get(url)).status == 502


async def test_credentials_of_the_machine_s_index_go_to_it_and_to_nobody_else() -> None:
    async with a_served_index(credentials="me:secret@") as served, a_served_index() as elsewhere:
        served.index.projects["demo"] = ["/packages/demo-1.whl", f"{elsewhere.origin}/packages/demo-2.whl"]
        ours, other = await urls(served)

        assert await (await served.client.get(ours)).read() == WHEEL
        assert await (await served.client.get(other)).read() == WHEEL

        assert served.index.credentials == ["me:secret"] * 2
        assert elsewhere.index.credentials == [""]
        assert "secret" not in ours + other


def test_machine_s_index_is_what_the_first_of_the_usual_variables_names() -> None:
    assert upstream_index({"PIP_INDEX_URL": "http://a.test/simple/"}) == "http://a.test/simple"
    assert upstream_index({"UV_DEFAULT_INDEX": "http://b.test", "PIP_INDEX_URL": "http://a.test"}) == "http://b.test"
    assert upstream_index({"UV_DEFAULT_INDEX": "", "UV_INDEX_URL": "http://c.test"}) == "http://c.test"


def test_machine_without_settings_uses_the_public_index() -> None:
    assert re.fullmatch(r"https://[a-z.]+/simple", upstream_index({}))


def test_pods_find_the_index_on_the_bridge_of_their_own_sandbox() -> None:
    assert package_index.url(Layout.named("sandbox", {})) == "http://10.99.0.1:3141/simple/"
    assert package_index.url(Layout.named("scratch", {})) == "http://10.98.0.1:3141/simple/"


def test_index_that_nobody_started_has_no_process() -> None:
    assert package_index.processes(Layout.named("scratch", {})) == []
