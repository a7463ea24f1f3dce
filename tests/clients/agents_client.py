"""openai-agents for Python: its realtime session, which checks every event against the OpenAI models."""
import asyncio
import logging

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

from checks import SOCKET, TURN, check, play, run, silence, sound

problems = []


class Problems(logging.Handler):
    def emit(self, record):
        problems.append(record.getMessage())


logging.getLogger("openai.agents").addHandler(Problems(logging.WARNING))
called = []


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    called.append(city)
    return "drizzle"


def runner(**settings):
    agent = RealtimeAgent(name="Assistant", instructions="Be brief.", tools=[get_weather])
    return RealtimeRunner(agent, config={"model_settings": {"model_name": "voiced", **settings}})


def opened(runner):
    return runner.run(model_config={"api_key": "any", "url": f"{SOCKET}/v1/realtime?model=voiced"})


async def until(session, is_it, what):
    seen = []
    async with asyncio.timeout(TURN):
        async for event in session:
            seen.append(event)
            if event.type == "error":
                raise AssertionError(f"an error before {what}: {event.error}")
            if is_it(event):
                return seen
    raise AssertionError(f"the session ended before {what}")


def audio_ended(event):
    return event.type == "audio_end"


async def text_turn():
    async with await opened(runner()) as session:
        await session.send_message("hello")
        events = await until(session, audio_ended, "the answer")
        sounds = [e for e in events if e.type == "audio"]
        check("a typed turn is answered aloud", sum(len(e.audio.data) for e in sounds) > 24_000, len(sounds))
        history = [e for e in events if e.type == "history_updated"][-1].history
        check("both sides are in its history", {i.role for i in history if i.type == "message"} >= {"user", "assistant"}, history)


async def tool_round_trip():
    async with await opened(runner()) as session:
        await session.send_message("what is the weather like in Lisbon")
        await until(session, lambda e: e.type == "tool_end" and e.output == "drizzle", "the tool's end")
        check("its tool is called", len(called) == 1, called)
        events = await until(session, audio_ended, "the answer after the tool")
        check("and the answer spoken", [e for e in events if e.type == "audio"])


async def spoken_turn_and_barge_in():
    detection = {"type": "server_vad", "silence_duration_ms": 400, "interrupt_response": True}
    async with await opened(runner(turn_detection=detection)) as session:
        speaking = asyncio.create_task(play(session.send_audio, sound("question") + silence(2)))
        events = await until(session, audio_ended, "the spoken answer")
        check("a spoken turn is answered aloud", [e for e in events if e.type == "audio"])
        await speaking
        await session.send_message("tell me a long story")
        await until(session, lambda e: e.type == "audio", "the story")
        await asyncio.sleep(1)
        speaking = asyncio.create_task(play(session.send_audio, sound("interruption") + silence(3)))
        events = await until(session, lambda e: e.type == "audio_interrupted", "the interruption")
        check("speech interrupts the story", True)
        raw = lambda e, kind: e.type == "raw_model_event" and getattr(e.data, "type", "") == kind
        await until(session, lambda e: raw(e, "turn_ended"), "the cancelled turn's end")
        await until(session, audio_ended, "the answer to the interruption")
        check("the interruption is answered", True)
        await speaking


async def nothing_was_found_wrong():
    check("the package found nothing wrong", not problems, problems)


if __name__ == "__main__":
    run(text_turn, tool_round_trip, spoken_turn_and_barge_in, nothing_was_found_wrong)
