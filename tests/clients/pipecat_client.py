"""pipecat's OpenAI realtime service in a pipeline of its own: context in, sound out, functions,
interruption with truncation, and its transcription service."""
import asyncio
import sys

from loguru import logger

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndFrame, ErrorFrame, InputAudioRawFrame, InterruptionFrame, LLMContextFrame, TranscriptionFrame,
    TTSAudioRawFrame, TTSStoppedFrame, TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.workers.runner import WorkerRunner

from checks import RATE, SOCKET, TURN, WEATHER, check, play, run, silence, sound

complaints = []
logger.remove()
logger.add(lambda m: complaints.append(str(m).strip()), level="ERROR")
URL = f"{SOCKET}/v1/realtime"


class Witness(FrameProcessor):
    """Remembers what comes by in one direction."""

    def __init__(self):
        super().__init__()
        self.seen, self.news = [], asyncio.Condition()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        async with self.news:
            self.seen.append(frame)
            self.news.notify_all()
        await self.push_frame(frame, direction)

    async def until(self, kind, after=0):
        found = lambda: [f for f in self.seen[after:] if isinstance(f, kind)]
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(found), TURN)
        return found()[0]

    def of(self, kind, after=0):
        return [f for f in self.seen[after:] if isinstance(f, kind)]


class Bot:
    """A pipeline with the service in the middle."""

    def __init__(self, service, context=None):
        self.witness, self.above = Witness(), Witness()
        self.service = service
        middle = [self.above, service, self.witness]
        if context is not None:
            pair = LLMContextAggregatorPair(context)
            middle = [pair.user(), *middle, pair.assistant()]
        params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
        self.worker = PipelineWorker(Pipeline(middle), params=params, cancel_on_idle_timeout=False)
        self.started = asyncio.Event()

        @self.worker.event_handler("on_pipeline_started")
        async def _(_worker, _frame):
            self.started.set()

    async def __aenter__(self):
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self.running = asyncio.create_task(runner.run())
        await asyncio.wait_for(self.started.wait(), TURN)
        return self

    async def __aexit__(self, *_):
        await self.worker.queue_frame(EndFrame())
        await asyncio.wait_for(self.running, TURN)

    async def speak(self, piece):
        await self.worker.queue_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))


def service():
    properties = events.SessionProperties(
        instructions="Be brief.",
        audio=events.AudioConfiguration(input=events.AudioInput(
            transcription=events.InputAudioTranscription(),
            turn_detection=events.TurnDetection(silence_duration_ms=400),
        )),
    )
    settings = OpenAIRealtimeLLMService.Settings(model="voiced", session_properties=properties)
    return OpenAIRealtimeLLMService(api_key="any", base_url=URL, settings=settings)


def sound_of(frames):
    return sum(len(f.audio) for f in frames)


async def text_turn_and_tool_round_trip():
    weather = FunctionSchema(
        name="get_weather", description="The weather", properties=WEATHER["properties"], required=["city"]
    )
    context = LLMContext([{"role": "user", "content": "hello"}], tools=ToolsSchema(standard_tools=[weather]))
    called = []

    async def get_weather(params):
        called.append(params.arguments)
        await params.result_callback({"weather": "drizzle"})

    llm = service()
    llm.register_function("get_weather", get_weather)
    async with Bot(llm, context) as bot:
        await bot.worker.queue_frame(LLMContextFrame(context))
        await bot.witness.until(TTSStoppedFrame)
        heard = sound_of(bot.witness.of(TTSAudioRawFrame))
        check("a context is answered aloud", heard > 24_000, heard)
        check("with its words", bot.witness.of(TTSTextFrame), bot.witness.seen)
    context = LLMContext(
        [{"role": "user", "content": "what is the weather like in Lisbon"}], tools=ToolsSchema(standard_tools=[weather])
    )
    llm = service()
    llm.register_function("get_weather", get_weather)
    async with Bot(llm, context) as bot:
        await bot.worker.queue_frame(LLMContextFrame(context))
        await bot.witness.until(TTSStoppedFrame)
        words = " ".join(f.text for f in bot.witness.of(TTSTextFrame))
        check("its function is called", len(called) == 1, called)
        check("and its result spoken", "drizzle" in words, words)


async def spoken_turn():
    async with Bot(service(), LLMContext([])) as bot:
        speaking = asyncio.create_task(play(bot.speak, sound("question") + silence(2)))
        said = await bot.above.until(TranscriptionFrame)
        check("speech is written down", "hear" in said.text.lower(), said.text)
        await bot.witness.until(TTSStoppedFrame)
        check("and answered aloud", bot.witness.of(TTSAudioRawFrame))
        await speaking


async def barge_in_with_truncation():
    context = LLMContext([{"role": "user", "content": "tell me a long story"}])
    async with Bot(service(), context) as bot:
        await bot.worker.queue_frame(LLMContextFrame(context))
        await bot.witness.until(TTSAudioRawFrame)
        await asyncio.sleep(1.5)
        after = len(bot.witness.seen)
        speaking = asyncio.create_task(play(bot.speak, sound("interruption") + silence(3)))
        await bot.witness.until(InterruptionFrame, after)
        check("speech interrupts", True)
        said = await bot.above.until(TranscriptionFrame)
        check("the interruption is written down", "time" in said.text.lower(), said.text)
        await bot.witness.until(TTSAudioRawFrame, len(bot.witness.seen))
        await bot.witness.until(TTSStoppedFrame, len(bot.witness.seen))
        check("and answered", True)
        await speaking


async def error_and_recovery():
    context = LLMContext([{"role": "user", "content": "hello"}])
    async with Bot(service(), context) as bot:
        await bot.service.send_client_event(events.ResponseCancelEvent())
        await bot.worker.queue_frame(LLMContextFrame(context))
        await bot.witness.until(TTSStoppedFrame)
        check("a cancel of nothing does no harm", not bot.above.of(ErrorFrame), bot.above.of(ErrorFrame))


async def transcription_service():
    settings = OpenAIRealtimeSTTService.Settings(model="voiced", language="en")
    stt = OpenAIRealtimeSTTService(api_key="any", base_url=URL, settings=settings, turn_detection=None)
    async with Bot(stt) as bot:
        speaking = asyncio.create_task(play(bot.speak, sound("question") + silence(2)))
        said = await bot.witness.until(TranscriptionFrame)
        check("its transcription service hears", "hear" in said.text.lower(), said.text)
        await speaking


async def nothing_was_complained_about():
    check("pipecat logged no error", not complaints, complaints)


if __name__ == "__main__":
    run(text_turn_and_tool_round_trip, spoken_turn, barge_in_with_truncation, error_and_recovery,
        transcription_service, nothing_was_complained_about)
