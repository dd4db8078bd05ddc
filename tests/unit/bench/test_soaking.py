"""What a soak stands on: a street that tells what changes, and Ollamas that fail in known ways."""

import asyncio
import json
import random

import aiohttp
from bench.common.serving import serving
from bench.soaking import street as streets
from bench.soaking.ollamas import FAULTS, Ollama


async def test_whoever_watches_the_doors_is_told_when_one_goes() -> None:
    street = streets.a_street(3, [("127.0.0.1", 1)], ["127.0.0.2", "127.0.0.3"])
    selector = {"labelSelector": f"kubernetes.io/service-name={streets.SERVICE}"}
    async with serving(street.application()) as port, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}/apis/discovery.k8s.io/v1/namespaces/{streets.RELEASE}/{streets.SLICES}"
        async with client.get(url, params=selector) as answer:
            (item,) = (await answer.json())["items"]
            assert len(item["endpoints"]) == 2
        async with client.get(url, params={**selector, "watch": "1"}) as events:
            streets.show_doors(street, ["127.0.0.2"])
            line = json.loads(await asyncio.wait_for(events.content.readline(), 5))
            assert [each["addresses"] for each in line["object"]["endpoints"]] == [["127.0.0.2"]]


async def test_an_ollama_that_always_fails_does_so_in_every_way_and_one_that_never_does_says_whose_it_is() -> None:
    failing, well = (Ollama("mine", share, random.Random(3)) for share in (1.0, 0.0))
    for ollama in (failing, well):
        async with serving(ollama.application()) as port, aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}/api/chat"
            for _ in range(30):
                try:
                    async with client.post(url, json={"model": "m:1", "stream": False}) as answer:
                        await answer.read()
                except aiohttp.ClientError:
                    continue
            async with client.post(url, json={"model": "m:1", "stream": False}) as answer:
                text = await answer.text()
    assert set(FAULTS) == set(failing.done)
    assert set(well.done) == {"well"}
    assert "mine" in text
