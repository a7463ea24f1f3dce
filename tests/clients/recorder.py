"""Stands between a client and the daemon and writes down every event of every WebSocket, one JSON
object a line: {"dir": "client" or "server", "event": ...}. Everything else passes unseen."""
import asyncio
import contextlib
import json
import os

import aiohttp
from aiohttp import web

# What belongs to one connection and must not be passed on.
HOP = {"host", "connection", "upgrade", "transfer-encoding", "content-length", "keep-alive", "te", "trailer",
       "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-accept"}
BIGGEST = 64 << 20


def passed_on(headers):
    return [(name, value) for name, value in headers.items() if name.lower() not in HOP]


class Recorder:
    def __init__(self, target, folder, name):
        self.target, self.folder, self.name = target, folder, name
        self.n, self.files = 0, []

    async def relay(self, request):
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.relay_socket(request)
        body = await request.read()
        asked = self.http.request(
            request.method, self.target + request.path_qs, data=body or None,
            headers=passed_on(request.headers), allow_redirects=False,
        )
        async with asked as answer:
            response = web.StreamResponse(status=answer.status, headers=passed_on(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def relay_socket(self, request):
        offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
        headers = [(n, v) for n, v in passed_on(request.headers) if n.lower() != "sec-websocket-protocol"]
        try:
            far = await self.http.ws_connect(
                self.target + request.path_qs, headers=headers, protocols=offered, max_msg_size=BIGGEST
            )
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status, text=refused.message)
        near = web.WebSocketResponse(protocols=[far.protocol] if far.protocol else [], max_msg_size=BIGGEST)
        await near.prepare(request)
        self.n += 1
        path = os.path.join(self.folder, f"{self.name}-{self.n}.jsonl")
        self.files.append(path)
        with open(path, "w") as file:
            await asyncio.gather(
                self.copy(near, far, "client", file), self.copy(far, near, "server", file)
            )
        return near

    async def copy(self, source, sink, side, file):
        async for message in source:
            if message.type == aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
                continue
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            with contextlib.suppress(ValueError):
                file.write(json.dumps({"dir": side, "event": json.loads(message.data)}) + "\n")
            try:
                await sink.send_str(message.data)
            except (ConnectionError, RuntimeError):
                break
        file.flush()
        code = source.close_code
        await sink.close(code=code if code and 1000 <= code < 5000 and code not in (1005, 1006) else 1000)


@contextlib.asynccontextmanager
async def recorder(target, folder, name):
    """A recorder in front of `target`: its own address, and the files it writes."""
    it = Recorder(target, folder, name)
    app = web.Application(client_max_size=BIGGEST)
    app.router.add_route("*", "/{path:.*}", it.relay)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=2)
    async with aiohttp.ClientSession(auto_decompress=False) as it.http:
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}", it.files
        finally:
            await runner.cleanup()
