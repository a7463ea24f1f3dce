"""The openai package for Python: conversations over its WebSocket, client secrets, WebRTC calls with a
sideband, and a transcription session."""
import asyncio
import base64
import contextlib

from openai import AsyncOpenAI, NotFoundError, BadRequestError

from checks import TURN, URL, WEATHER, check, pieces, play, run, silence, sound

client = AsyncOpenAI(api_key="any", base_url=f"{URL}/v1", max_retries=0)
PCM = {"type": "audio/pcm", "rate": 24_000}


async def until(call, *kinds, seen=None):
    """Events up to the first of one of these kinds, which is the last in the list."""
    events = seen if seen is not None else []
    async with asyncio.timeout(TURN):
        async for event in call:
            events.append(event)
            if event.type in kinds:
                return events
    raise AssertionError(f"the call ended before {kinds}")


def said(events):
    return "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")


def audio(events):
    return b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")


@contextlib.asynccontextmanager
async def conversation(**session):
    async with client.realtime.connect(model="voiced") as call:
        first = await call.recv()
        assert first.type == "session.created", first
        await call.session.update(session={"type": "realtime", **session})
        events = await until(call, "session.updated", "error")
        assert events[-1].type == "session.updated", events[-1]
        yield call


async def ask(call, text):
    await call.conversation.item.create(
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    )
    await call.response.create()
    return await until(call, "response.done", "error")


async def text_turn():
    async with conversation(output_modalities=["audio"]) as call:
        events = await ask(call, "hello")
        done = events[-1]
        check("a typed turn is answered aloud", done.type == "response.done" and len(audio(events)) > 24_000, done)
        check("the transcript is what was said", said(events) == done.response.output[0].content[0].transcript, done)
        check("usage is counted", done.response.usage.total_tokens > 0, done.response.usage)
    async with conversation(output_modalities=["text"]) as call:
        events = await ask(call, "hello")
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        check("a written answer has no sound", text and not audio(events), events[-1])


async def spoken_turn():
    transcription = {"model": "voiced"}
    detection = {"type": "server_vad", "silence_duration_ms": 400}
    audio_in = {"format": PCM, "transcription": transcription, "turn_detection": detection}
    async with conversation(audio={"input": audio_in}) as call:
        async def speak(piece):
            await call.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

        speaking = asyncio.create_task(play(speak, sound("question") + silence(3)))
        events = await until(call, "response.done")
        kinds = [e.type for e in events]
        wanted = ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                  "input_audio_buffer.committed", "response.created"]
        check("speech is noticed, then answered", [k for k in kinds if k in wanted] == wanted, kinds)
        heard = [e.transcript for e in events if e.type.endswith("transcription.completed")]
        check("what was said is written down", heard and "hear" in heard[0].lower(), heard)
        check("the answer is spoken", len(audio(events)) > 24_000, kinds)
        await speaking


async def manual_turn():
    async with conversation(audio={"input": {"format": PCM, "turn_detection": None}}) as call:
        for piece in pieces(sound("question") + silence(0.3), 400):
            await call.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await call.input_audio_buffer.commit()
        events = await until(call, "conversation.item.done", "error")
        check("a commit makes an item and no response", events[-1].type == "conversation.item.done"
              and not [e for e in events if e.type.startswith("response.")], [e.type for e in events])
        await call.response.create()
        events = await until(call, "response.done")
        check("the response comes when asked for", events[-1].response.status == "completed", events[-1])


async def tool_round_trip():
    weather = {"type": "function", "name": "get_weather", "description": "The weather", "parameters": WEATHER}
    async with conversation(tools=[weather], tool_choice="auto", output_modalities=["text"]) as call:
        events = await ask(call, "what is the weather like in Lisbon")
        calls = [i for i in events[-1].response.output if i.type == "function_call"]
        check("the tool is called", len(calls) == 1 and calls[0].name == "get_weather", events[-1])
        streamed = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
        check("its arguments are streamed whole", streamed == calls[0].arguments, (streamed, calls))
        await call.conversation.item.create(
            item={"type": "function_call_output", "call_id": calls[0].call_id, "output": '{"weather": "drizzle"}'}
        )
        await call.response.create()
        events = await until(call, "response.done")
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        check("its result is in the answer", "drizzle" in text, text)


async def barge_in_with_truncation():
    async with conversation(audio={"input": {"format": PCM}}) as call:
        await call.conversation.item.create(item={
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": "tell me a long story"}],
        })
        await call.response.create()
        events = await until(call, "response.output_audio.delta")

        async def speak(piece):
            await call.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

        await asyncio.sleep(1)
        speaking = asyncio.create_task(play(speak, sound("interruption") + silence(3)))
        events = await until(call, "response.done", seen=events)
        done = events[-1].response
        check("speech cancels the reply", done.status == "cancelled"
              and done.status_details.reason == "turn_detected", done.status_details)
        item = next(e.item_id for e in events if e.type == "response.output_audio.delta")
        await call.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=700)
        events = await until(call, "conversation.item.truncated", "error")
        check("the reply is truncated", events[-1].type == "conversation.item.truncated"
              and events[-1].audio_end_ms == 700, events[-1])
        events = await until(call, "response.done", seen=events)
        check("the interruption is answered", events[-1].response.status == "completed", events[-1])
        await call.conversation.item.retrieve(item_id=item)
        events = await until(call, "conversation.item.retrieved", "error")
        kept = events[-1].item.content[0].transcript if events[-1].type.endswith("retrieved") else events[-1]
        check("what was not heard is forgotten", not kept or (isinstance(kept, str) and len(kept) < 60), kept)
        await speaking


async def error_and_recovery():
    async with conversation(output_modalities=["text"]) as call:
        for event, code in (
            ({"type": "response.cancel", "event_id": "e1"}, "response_cancel_not_active"),
            ({"type": "conversation.item.retrieve", "item_id": "none", "event_id": "e2"}, "item_retrieve_invalid_item_id"),
            ({"type": "conversation.item.delete", "item_id": "none", "event_id": "e3"}, "item_delete_invalid_item_id"),
            ({"type": "conversation.item.truncate", "item_id": "none", "content_index": 0, "audio_end_ms": 1,
              "event_id": "e4"}, "item_truncate_invalid_item_id"),
            ({"type": "input_audio_buffer.commit", "event_id": "e5"}, "input_audio_buffer_commit_empty"),
            ({"type": "session.update", "session": {"instructions": "x"}, "event_id": "e6"}, "missing_required_parameter"),
            ({"type": "session.update", "session": {"type": "realtime", "nonsense": 1}, "event_id": "e7"}, "unknown_parameter"),
            ({"type": "output_audio_buffer.clear", "event_id": "e8"}, None),
        ):
            await call.send(event)
            answer = (await until(call, "error"))[-1].error
            right = answer.event_id == event["event_id"] and code in (None, answer.code)
            check(f"a mistaken {event['type']} is named ({code or 'any code'})", right, answer)
        events = await ask(call, "hello")
        check("the call goes on", events[-1].type == "response.done"
              and events[-1].response.status == "completed", events[-1])


async def out_of_band_response():
    async with conversation(output_modalities=["text"]) as call:
        await call.response.create(response={
            "conversation": "none", "metadata": {"topic": "aside"}, "output_modalities": ["text"],
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
        })
        events = await until(call, "response.done", "error")
        response = events[-1].response if events[-1].type == "response.done" else None
        check("an aside is answered outside the conversation", response and response.status == "completed"
              and response.conversation_id is None and response.metadata == {"topic": "aside"}, events[-1])
        added = [e for e in events if e.type == "conversation.item.added"]
        check("nothing of it enters the conversation", response and not added, added)


async def client_secrets_and_calls():
    secret = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]},
    )
    check("a secret is made with its session", secret.value.startswith("ek_")
          and secret.session.instructions == "Be brief.", secret)
    browser = AsyncOpenAI(api_key=secret.value, base_url=f"{URL}/v1", max_retries=0)
    async with browser.realtime.connect(model="voiced") as call:
        first = await call.recv()
        check("it opens that session", first.session.instructions == "Be brief."
              and first.session.output_modalities == ["text"], first)
    from aiortc import RTCPeerConnection, RTCSessionDescription
    peer = RTCPeerConnection()
    peer.addTransceiver("audio")
    channel = peer.createDataChannel("oai-events")
    messages = asyncio.Queue()
    channel.on("message", messages.put_nowait)
    await peer.setLocalDescription(await peer.createOffer())
    answer = await client.realtime.calls.create(
        sdp=peer.localDescription.sdp, session={"type": "realtime", "instructions": "Be kind."}
    )
    call_id = answer.response.headers["location"].rsplit("/", 1)[-1]
    check("an offer is answered", call_id.startswith("rtc_"), answer.response.headers)
    await peer.setRemoteDescription(RTCSessionDescription(answer.response.text, "answer"))
    first = await asyncio.wait_for(messages.get(), TURN)
    check("the session is on the data channel", '"session.created"' in first and "Be kind." in first, first)
    try:
        async with client.realtime.connect(call_id=call_id) as side:
            first = await asyncio.wait_for(side.recv(), 5)
            check("a call can be joined from the side", first.type == "session.created"
                  and first.session.instructions == "Be kind.", first)
    except Exception as error:  # noqa: BLE001
        check("a call can be joined from the side", False, repr(error))
    await client.realtime.calls.hangup(call_id)
    check("a call is hung up", True)
    try:
        await client.realtime.calls.hangup("rtc_unknown")
        check("an unknown call is not found", False)
    except NotFoundError:
        check("an unknown call is not found", True)
    try:
        await client.realtime.calls.create(sdp="nonsense")
        check("an offer that is none is refused", False)
    except BadRequestError as error:
        check("an offer that is none is refused", error.body["message"], error)
    await peer.close()


async def transcription_session():
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as call:
        first = await call.recv()
        check("a transcription session opens", first.type == "session.created"
              and first.session.type == "transcription", first)
        audio_in = {"format": PCM, "transcription": {"model": "voiced", "language": "en"},
                    "turn_detection": {"type": "server_vad"}}
        await call.session.update(session={"type": "transcription", "audio": {"input": audio_in}})
        await until(call, "session.updated")

        async def speak(piece):
            await call.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

        speaking = asyncio.create_task(play(speak, sound("question") + silence(2)))
        ended = "conversation.item.input_audio_transcription.completed"
        events = await until(call, ended)
        check("speech is written down", "hear" in events[-1].transcript.lower(), events[-1])
        check("nobody answers", not [e for e in events if e.type.startswith("response.")])
        await speaking


if __name__ == "__main__":
    run(text_turn, spoken_turn, manual_turn, tool_round_trip, barge_in_with_truncation, error_and_recovery,
        out_of_band_response, client_secrets_and_calls, transcription_session)
