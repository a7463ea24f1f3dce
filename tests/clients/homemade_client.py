"""Clients written by hand, as people do: the WebSocket as a browser opens it, with compression offered,
with headers of other times, in fragments, and with pauses in the wrong places."""
import asyncio
import base64
import json

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from checks import SOCKET, TURN, URL, check, run, silence, sound

ADDRESS = f"{SOCKET}/v1/realtime?model=gpt-realtime"


async def until(call, kind):
    async with asyncio.timeout(TURN):
        while True:
            event = json.loads(await call.recv())
            if event["type"] == kind:
                return event


async def ask(call, text):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await call.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await call.send(json.dumps({"type": "response.create"}))
    return await until(call, "response.done")


async def as_a_browser_does():
    offered = ["realtime", "openai-insecure-api-key.any", "openai-agents-sdk.0.20.0"]
    async with connect(ADDRESS, subprotocols=offered) as call:
        check("exactly 'realtime' is selected", call.subprotocol == "realtime", call.subprotocol)
        await until(call, "session.created")
        done = await ask(call, "hello")
        check("a turn is answered", done["response"]["status"] == "completed", done)


async def with_a_header_of_the_beta():
    headers = {"Authorization": "Bearer any", "OpenAI-Beta": "realtime=v1", "User-Agent": "websocat/1.13"}
    offered = ["realtime", "openai-insecure-api-key.any", "openai-beta.realtime-v1"]
    async with connect(ADDRESS, additional_headers=headers, subprotocols=offered, compression=None) as call:
        check("the header of the beta does no harm", (await until(call, "session.created"))["session"])
        done = await ask(call, "hello")
        check("and a turn is answered", done["response"]["status"] == "completed", done)


async def in_fragments_and_at_odd_sizes():
    async with connect(ADDRESS, additional_headers={"Authorization": "Bearer any"}) as call:
        await until(call, "session.created")
        update = json.dumps({"type": "session.update", "session": {
            "type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}})

        async def pieces():
            for at in range(0, len(update), 7):
                yield update[at : at + 7]

        await call.send(pieces())
        check("an event in fragments is one event", await until(call, "session.updated"))
        # Sound as it happens to come: odd numbers of bytes, faster than life.
        speech = sound("question") + silence(1.5)
        at, sizes = 0, [961, 1, 3, 4_801, 2_000]
        while at < len(speech):
            size = sizes[at % len(sizes)]
            audio = base64.b64encode(speech[at : at + size]).decode()
            await call.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            at += size
        said = await until(call, "conversation.item.input_audio_transcription.completed")
        check("sound in odd pieces is understood", "hear" in said["transcript"].lower(), said)
        await call.ping()
        done = await until(call, "response.done")
        check("and answered", done["response"]["status"] == "completed", done)


async def without_a_model_or_with_nonsense():
    async with connect(f"{SOCKET}/v1/realtime?model=anything%20goes&voice=x") as call:
        first = await until(call, "session.created")
        check("any model's name is taken", first["session"]["model"] == "anything goes", first)
        await call.send(b"\x00\x01binary")
        await call.send("not json")
        error = await until(call, "error")
        check("what is no event is told", error["error"]["message"], error)
        done = await ask(call, "hello")
        check("and the call goes on", done["response"]["status"] == "completed", done)
    try:
        async with connect(f"{URL.replace('http', 'ws', 1)}/v1/nowhere"):
            check("another address is refused", False)
    except InvalidStatus as refused:
        check("another address is refused", refused.response.status_code == 404, refused)


if __name__ == "__main__":
    run(as_a_browser_does, with_a_header_of_the_beta, in_fragments_and_at_odd_sizes, without_a_model_or_with_nonsense)
