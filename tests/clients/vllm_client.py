"""A client of vLLM's realtime transcription, written from its protocol (there is no package): bare
WebSocket, model at the top of the first event, audio at 16 kHz."""
import asyncio
import base64
import json

import numpy
from websockets.asyncio.client import connect

from checks import RATE, SOCKET, TURN, check, pieces, run, silence, sound


def at_16_khz(samples):
    wave = numpy.frombuffer(samples, dtype="<i2").astype(float)
    at = numpy.arange(len(wave) * 16_000 // RATE) * RATE / 16_000
    return numpy.interp(at, numpy.arange(len(wave)), wave).astype("<i2").tobytes()


async def transcription():
    async with connect(f"{SOCKET}/v1/realtime") as call, asyncio.timeout(TURN):
        first = json.loads(await call.recv())
        check("it begins with a session", first["type"] == "session.created" and first.get("id"), first)
        send = lambda **event: call.send(json.dumps(event))
        await send(type="session.update", model="voiced")
        await send(type="input_audio_buffer.commit", final=False)
        for piece in pieces(at_16_khz(sound("question") + silence(1)), 66):
            await send(type="input_audio_buffer.append", audio=base64.b64encode(piece).decode())
            await asyncio.sleep(0.02)
        await send(type="input_audio_buffer.commit", final=True)
        deltas, done = "", None
        while done is None:
            event = json.loads(await call.recv())
            if event["type"] == "transcription.delta":
                deltas += event["delta"]
            elif event["type"] in ("transcription.done", "error"):
                done = event
        check("speech is written down", "hear" in done.get("text", "").lower(), done)
        check("the deltas are the text", deltas == done.get("text"), (deltas, done))


if __name__ == "__main__":
    run(transcription)
