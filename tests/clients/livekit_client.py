"""LiveKit's OpenAI plugin: its realtime model's session, driven as LiveKit agents drive it. No LiveKit
server is involved."""
import asyncio
import contextlib
import logging

import aiohttp
from livekit import rtc
from livekit.agents import llm
from livekit.plugins import openai
from openai.types.beta.realtime.session import TurnDetection

from checks import RATE, TURN, URL, check, play, run, silence, sound

complaints = []


class Complaints(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())


logging.getLogger("livekit").addHandler(Complaints(logging.WARNING))


@llm.function_tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return "drizzle"


class Session:
    """A session and what it told."""

    def __init__(self, session):
        self.it, self.told, self.news = session, [], asyncio.Event()
        for kind in ("input_speech_started", "input_speech_stopped", "input_audio_transcription_completed",
                     "generation_created", "error"):
            session.on(kind, lambda *args, kind=kind: self.tell(kind, args[0] if args else None))

    def tell(self, kind, event):
        self.told.append((kind, event))
        self.news.set()

    async def until(self, kind, after=0, is_it=lambda event: True):
        async with asyncio.timeout(TURN):
            while True:
                for told, event in self.told[after:]:
                    if told == kind and is_it(event):
                        return event
                self.news.clear()
                await self.news.wait()

    async def speak(self, piece):
        n = len(piece) // 2
        self.it.push_audio(rtc.AudioFrame(data=piece, sample_rate=RATE, num_channels=1, samples_per_channel=n))


async def spoken(generation):
    """The sound of a generation in samples, its words, and the functions it calls."""
    n, words, calls = 0, "", []

    async def messages():
        nonlocal n, words
        async for message in generation.message_stream:
            async for frame in message.audio_stream:
                n += frame.samples_per_channel
            async for text in message.text_stream:
                words += text

    async def functions():
        async for call in generation.function_stream:
            calls.append(call)

    await asyncio.wait_for(asyncio.gather(messages(), functions()), TURN)
    return n, words, calls


@contextlib.asynccontextmanager
async def session(**options):
    async with aiohttp.ClientSession() as http:
        model = openai.realtime.RealtimeModel(
            base_url=f"{URL}/v1", api_key="any", model="voiced", http_session=http, **options
        )
        one = model.session()
        try:
            await one.update_instructions("Be brief.")
            yield Session(one)
        finally:
            await one.aclose()


async def text_turn_and_tool_round_trip():
    async with session() as agent:
        await agent.it.update_tools([get_weather])
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="hello")
        await agent.it.update_chat_ctx(context)
        check("an item is acknowledged", True)
        generation = await asyncio.wait_for(agent.it.generate_reply(), TURN)
        n, words, _ = await spoken(generation)
        check("a typed turn is answered aloud", n > 12_000 and words, (n, words))
        context = agent.it.chat_ctx.copy()
        context.add_message(role="user", content="what is the weather like in Lisbon")
        await agent.it.update_chat_ctx(context)
        n, _, calls = await spoken(await asyncio.wait_for(agent.it.generate_reply(), TURN))
        check("its function is called", [c.name for c in calls] == ["get_weather"], calls)
        context = agent.it.chat_ctx.copy()
        context.items.append(llm.FunctionCallOutput(
            call_id=calls[0].call_id, name="get_weather", output="drizzle", is_error=False,
        ))
        await agent.it.update_chat_ctx(context)
        n, words, _ = await spoken(await asyncio.wait_for(agent.it.generate_reply(), TURN))
        check("and its result spoken", "drizzle" in words and n > 0, words)
        said = await asyncio.wait_for(agent.it.generate_reply(instructions="Say hello."), TURN)
        check("a reply with its own instructions is made", (await spoken(said))[0] > 0)
        context = agent.it.chat_ctx.copy()
        context.items.pop()
        await agent.it.update_chat_ctx(context)
        check("an item is deleted", len(agent.it.chat_ctx.items) == len(context.items))


async def spoken_turn_and_barge_in():
    detection = TurnDetection(
        type="server_vad", silence_duration_ms=400, create_response=True, interrupt_response=True
    )
    async with session(turn_detection=detection) as agent:
        speaking = asyncio.create_task(play(agent.speak, sound("question") + silence(2)))
        await agent.until("input_speech_started")
        await agent.until("input_speech_stopped")
        n, words, _ = await spoken(await agent.until("generation_created"))
        check("a spoken turn is answered aloud", n > 12_000, words)
        heard = await agent.until("input_audio_transcription_completed", 0, lambda e: e.is_final)
        check("and written down", "hear" in heard.transcript.lower(), heard)
        await speaking
        context = agent.it.chat_ctx.copy()
        context.add_message(role="user", content="tell me a long story")
        await agent.it.update_chat_ctx(context)
        generation = await asyncio.wait_for(agent.it.generate_reply(), TURN)
        story = asyncio.create_task(spoken(generation))
        await asyncio.sleep(1.5)
        after = len(agent.told)
        speaking = asyncio.create_task(play(agent.speak, sound("interruption") + silence(3)))
        await agent.until("input_speech_started", after)
        n, words, _ = await story
        check("speech cuts the story short", n < 60 * RATE, n)
        message = agent.it.chat_ctx.items[-1]
        agent.it.truncate(message_id=message.id, modalities=["audio"], audio_end_ms=800, audio_transcript="All right")
        answer = await agent.until("generation_created", after)
        check("the interruption is answered", (await spoken(answer))[0] > 0)
        check("no error came", not [e for k, e in agent.told if k == "error"], agent.told)
        await speaking


async def interrupted_by_the_client():
    async with session() as agent:
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="tell me a long story")
        await agent.it.update_chat_ctx(context)
        generation = await asyncio.wait_for(agent.it.generate_reply(), TURN)
        story = asyncio.create_task(spoken(generation))
        await asyncio.sleep(0.7)
        agent.it.interrupt()
        await story
        agent.it.interrupt()
        context = agent.it.chat_ctx.copy()
        context.add_message(role="user", content="hello")
        await agent.it.update_chat_ctx(context)
        n, words, _ = await spoken(await asyncio.wait_for(agent.it.generate_reply(), TURN))
        check("after an interruption it goes on", n > 0, words)
        check("without an error", not [e for k, e in agent.told if k == "error"], agent.told)


async def nothing_was_complained_about():
    check("the plugin logged no warning", not complaints, complaints)


if __name__ == "__main__":
    run(text_turn_and_tool_round_trip, spoken_turn_and_barge_in, interrupted_by_the_client,
        nothing_was_complained_about)
