"""The proxy on aiohttp's own server: `python -m bench.doors.minimal.on_aiohttp PORT asyncio|uvloop`."""

import asyncio
import sys

from aiohttp import web

from bench.doors.minimal.forwarding import HEADERS, OLLAMA, open_session


async def serve(port: int) -> None:
    async with open_session() as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            async with session.post(OLLAMA + request.path, data=body, headers=HEADERS) as upstream:
                response = web.StreamResponse(headers={"Content-Type": upstream.headers["Content-Type"]})
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop

        uvloop.run(serve(int(sys.argv[1])))
    else:
        asyncio.run(serve(int(sys.argv[1])))
