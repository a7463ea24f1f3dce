"""The daemon under test: the binary named in VOICED_BIN with the embedded engines, on a free port of
loopback. It is ended by its own process; every wait has an end."""
import asyncio
import contextlib
import os
import re
import signal
import subprocess

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BINARY = os.path.abspath(os.environ.get("VOICED_BIN", f"{ROOT}/target/debug/voiced"))
SOON = 30


def speak(text, path):
    """Has the daemon's own voice say `text` into the WAV file `path`: mono, 16 bits, 24 kHz."""
    subprocess.run([BINARY, "speak", text, "-o", path], cwd=ROOT, check=True, timeout=60)


@contextlib.asynccontextmanager
async def daemon(*settings, environment=None):
    """A running daemon's address, `http://127.0.0.1:PORT`. `settings` are KEY=VALUE."""
    flags = [flag for setting in settings for flag in ("--set", setting)]
    process = await asyncio.create_subprocess_exec(
        BINARY, "serve", "--listen", "127.0.0.1:0", *flags,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, **(environment or {})},
    )

    async def address():
        while line := (await process.stdout.readline()).decode():
            if found := re.search(r"https?://[\w.:]+", line):
                return found[0]
        raise AssertionError("the daemon ended at once")

    try:
        yield await asyncio.wait_for(address(), SOON)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), SOON)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
