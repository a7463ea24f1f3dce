"""What every Python client here shares: checks that are counted, sounds to send, and where the daemon
is. VOICED_URL is its address (or the recorder's in front of it), VOICED_SOUNDS a folder with
`question.wav` and `interruption.wav`, both mono, 16 bits, 24 kHz."""
import asyncio
import os
import sys
import traceback
import wave

URL = os.environ.get("VOICED_URL", "http://127.0.0.1:8080")
SOCKET = URL.replace("http", "ws", 1)
RATE = 24_000
TURN = 30
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}},
    "required": ["city"],
}
passed, failed = 0, 0
client = os.path.basename(sys.argv[0]).removesuffix(".py").removesuffix("_client")


def check(what, is_true, detail=""):
    global passed, failed
    passed, failed = passed + bool(is_true), failed + (not is_true)
    told = "" if is_true else f": {str(detail)[:400]}"
    print(f"{'ok  ' if is_true else 'FAIL'} {client}: {what}{told}", flush=True)
    return bool(is_true)


def sound(name):
    """Samples of a recording as they go over the wire."""
    with wave.open(os.path.join(os.environ["VOICED_SOUNDS"], f"{name}.wav")) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1 and file.getsampwidth() == 2
        return file.readframes(file.getnframes())


def silence(seconds):
    return bytes(int(RATE * seconds) * 2)


def pieces(samples, milliseconds=100):
    size = RATE * 2 * milliseconds // 1000
    return [samples[at : at + size] for at in range(0, len(samples), size)]


async def play(send, samples, milliseconds=100):
    """Gives `send` the samples as a microphone would."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at, piece in enumerate(pieces(samples, milliseconds)):
        await asyncio.sleep(max(0, began + at * milliseconds / 1000 - loop.time()))
        await send(piece)


def run(*scenes):
    """Runs scenes one after another, each for a minute at most, and exits with what came of them."""
    async def all_of_them():
        for scene in scenes:
            try:
                await asyncio.wait_for(scene(), 60)
            except Exception as error:  # noqa: BLE001: whatever a foreign client throws is a finding
                check(scene.__name__.replace("_", " "), False, repr(error))
                if not isinstance(error, (AssertionError, asyncio.TimeoutError)):
                    traceback.print_exc()

    asyncio.run(all_of_them())
    print(f"{client}: {passed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # clients leave threads and tasks behind
