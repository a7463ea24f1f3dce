"""The openai package for Python: speech and transcription without a conversation, models and voices."""
import io
import json
import os
import urllib.request

from openai import BadRequestError, NotFoundError, OpenAI

from checks import URL, check, run

client = OpenAI(api_key="any", base_url=f"{URL}/v1", max_retries=0)
MAGIC = {"wav": b"RIFF", "flac": b"fLaC", "opus": b"OggS", "mp3": b"\xff\xf3"}


def question():
    return open(os.path.join(os.environ["VOICED_SOUNDS"], "question.wav"), "rb")


def fetched(path):
    with urllib.request.urlopen(URL + path, timeout=10) as answer:
        return json.load(answer)


async def speech():
    for form, magic in MAGIC.items():
        sound = client.audio.speech.create(
            model="tts-1", voice="alloy", input="Can you hear me?", response_format=form
        ).read()
        check(f"a text is spoken as {form}", sound.startswith(magic) and len(sound) > 4_000, sound[:16])
        named = io.BytesIO(sound)
        named.name = f"speech.{form}"
        text = client.audio.transcriptions.create(model="whisper-1", file=named).text
        check(f"and what was spoken is heard again from {form}", "hear me" in text.lower(), text)
    whole = client.audio.speech.create(model="tts-1", voice="slt", input="Can you hear me?")
    check("the form is MP3 unless asked", whole.read().startswith(MAGIC["mp3"]))
    long = "Once there was a kettle who lived in a lighthouse. " * 20
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="slt", input=long, response_format="pcm"
    ) as answer:
        chunks = [len(chunk) for chunk in answer.iter_bytes()]
    check("sound is streamed in pieces", len(chunks) > 20 and sum(chunks) > 24_000 * 2 * 30, len(chunks))
    # One sample loud, the other fast: the tempo is heard in the length.
    usual, quick = (
        len(client.audio.speech.create(model="tts-1", voice="slt", input="Can you hear me?", speed=s,
                                       response_format="pcm").read()) for s in (1.0, 1.5)
    )
    check("the tempo is obeyed", 0.55 < quick / usual < 0.8, quick / usual)
    for wrong in ({"response_format": "aac"}, {"voice": "nobody"}, {"input": ""}):
        try:
            client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": "a", **wrong})
            check(f"{wrong} is refused", False)
        except BadRequestError as error:
            check(f"{wrong} is refused by its name", error.param == next(iter(wrong)), error)


async def transcriptions():
    text = client.audio.transcriptions.create(model="whisper-1", file=question(), response_format="text")
    check("a recording is written down as text", "hear me" in text.lower(), text)
    srt = client.audio.transcriptions.create(model="whisper-1", file=question(), response_format="srt")
    check("as subtitles", srt.startswith("1\n00:00:0") and "-->" in srt, srt)
    vtt = client.audio.transcriptions.create(model="whisper-1", file=question(), response_format="vtt")
    check("as web subtitles", vtt.startswith("WEBVTT"), vtt)
    verbose = client.audio.transcriptions.create(
        model="whisper-1", file=question(), response_format="verbose_json", language="en",
        timestamp_granularities=["segment"],
    )
    segment = verbose.segments[0]
    check("with segments", verbose.language == "en" and 0 <= segment.start < segment.end <= verbose.duration, verbose)
    try:
        verbose = client.audio.transcriptions.create(
            model="whisper-1", file=question(), response_format="verbose_json", timestamp_granularities=["word"],
        )
        words = verbose.words or []
        in_order = all(a.start <= b.start for a, b in zip(words, words[1:]))
        check("with words", [w.word.lower() for w in words] == verbose.text.lower().split() and in_order, words)
    except BadRequestError as error:
        check("with words", False, error)
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=question(), stream=True))
    deltas = "".join(e.delta for e in events if e.type == "transcript.text.delta")
    check("while it is heard", events[-1].type == "transcript.text.done" and events[-1].text == deltas, events)
    for wrong, param in (({"file": ("a.wav", b"no sound")}, "file"), ({"language": "xx"}, "language")):
        try:
            client.audio.transcriptions.create(**{"model": "whisper-1", "file": question(), **wrong})
            check(f"a wrong {param} is refused", False)
        except BadRequestError as error:
            check(f"a wrong {param} is refused by its name", error.param == param, error)


async def what_can_be_chosen():
    models = [model.id for model in client.models.list()]
    check("models are listed", client.models.retrieve(models[0]).id == models[0], models)
    try:
        client.models.retrieve("nothing")
        check("an unknown model is not found", False)
    except NotFoundError as error:
        check("an unknown model is not found", error.code == "model_not_found", error)
    voices = fetched("/v1/audio/voices")["data"]
    check("voices are listed", "slt" in [voice["id"] for voice in voices], voices)
    described = fetched("/openapi.json")
    check("the API describes itself", "/v1/audio/speech" in described["paths"], described.get("openapi"))


if __name__ == "__main__":
    run(speech, transcriptions, what_can_be_chosen)
