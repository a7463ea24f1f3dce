"""The mistralai package: its realtime transcription over a WebSocket."""
import asyncio

from mistralai.client import Mistral
from mistralai.client.models import AudioFormat
from mistralai.extra.realtime import UnknownRealtimeEvent

from checks import RATE, URL, check, pieces, run, silence, sound

client = Mistral(api_key="any", server_url=URL)


async def transcription():
    async def speech():
        for piece in pieces(sound("question") + silence(1)):
            yield piece
            await asyncio.sleep(0.05)

    events = []
    stream = client.audio.realtime.transcribe_stream(
        audio_stream=speech(), model="voxtral-mini-transcribe-realtime-2602",
        audio_format=AudioFormat(encoding="pcm_s16le", sample_rate=RATE),
    )
    async for event in stream:
        events.append(event)
    kinds = [getattr(event, "type", type(event).__name__) for event in events]
    check("it is answered to the end", kinds and kinds[-1] == "transcription.done", kinds)
    text = getattr(events[-1], "text", "")
    check("speech is written down", "hear" in text.lower(), text)
    deltas = "".join(event.text for event in events if getattr(event, "type", "") == "transcription.text.delta")
    check("while it is heard", deltas.strip() == text.strip(), (deltas, text))
    unknown = [event for event in events if isinstance(event, UnknownRealtimeEvent)]
    check("every event is one it knows", not unknown, unknown)


async def another_transcription():
    await transcription()


if __name__ == "__main__":
    run(transcription, another_transcription)
