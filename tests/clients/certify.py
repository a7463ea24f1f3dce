"""Runs clients nobody here wrote against the daemon with its embedded engines, each in its own
interpreter, and judges the recorded sessions. Prints a line per check and how many passed.

  certify.py [NAME...]      names of clients; none is all that are installed
"""
import asyncio
import os
import re
import sys
import tempfile

from daemon import ROOT, daemon, speak
from recorder import recorder
from transcript import judge

HERE = os.path.dirname(os.path.abspath(__file__))
VENVS = os.path.join(ROOT, ".venv")
EACH = 150
# Spoken to every client.
SOUNDS = {"question": "Can you hear me?", "interruption": "Stop please. What time is it?"}
# name: (interpreter or environment, program)
CLIENTS = {
    "openai": ("base", "openai_client.py"),
    "agents": ("base", "agents_client.py"),
    "pipecat": ("pipecat", "pipecat_client.py"),
    "livekit": ("livekit", "livekit_client.py"),
    "agents-js": ("node", "agents.mjs"),
}


def command(name):
    where, program = CLIENTS[name]
    if where == "node":
        return ["node", os.path.join(HERE, "node", program)], os.path.join(HERE, "node")
    python = sys.executable if where == "base" else os.path.join(f"{VENVS}-{where}", "bin/python")
    return [python, os.path.join(HERE, program)], HERE


async def certify(name, target, sounds, recordings):
    """How many checks passed and failed, its recorded sessions included."""
    async with recorder(target, recordings, name) as (url, files):
        arguments, folder = command(name)
        environment = {**os.environ, "VOICED_URL": url, "VOICED_SOUNDS": sounds, "VOICED_DIRECT": target,
                       "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "any", "PYTHONPATH": HERE,
                       "OPENAI_AGENTS_DISABLE_TRACING": "1"}
        process = await asyncio.create_subprocess_exec(
            *arguments, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        passed = failed = 0

        async def told():
            nonlocal passed, failed
            while line := (await process.stdout.readline()).decode(errors="replace").rstrip():
                passed += line.startswith("ok ")
                failed += line.startswith("FAIL")
                print(line, flush=True)

        async def all_told():
            while not process.stdout.at_eof():
                await told()

        try:
            await asyncio.wait_for(all_told(), EACH)
        except asyncio.TimeoutError:
            process.kill()
            failed += 1
            print(f"FAIL {name}: not done after {EACH} s", flush=True)
        code = await process.wait()
        if not passed and not failed:
            failed += 1
            print(f"FAIL {name}: ended with {code} and checked nothing", flush=True)
    n_events, findings = 0, []
    for file in files:
        n, found = judge(file)
        n_events, findings = n_events + n, findings + found
    for finding in sorted({re.sub(r"^.*?\.jsonl:\d+: ", "", one) for one in findings})[:20]:
        print(f"     {name}: {finding}")
    passed, failed = passed + (not findings), failed + bool(findings)
    verdict = "ok  " if not findings else "FAIL"
    print(f"{verdict} {name}: {n_events} events of {len(files)} sessions are as the protocol has them", flush=True)
    return passed, failed


async def main(names):
    passed = failed = 0
    with tempfile.TemporaryDirectory() as sounds:
        for name, text in SOUNDS.items():
            speak(text, os.path.join(sounds, f"{name}.wav"))
        recordings = os.environ.get("VOICED_RECORDINGS", os.path.join(sounds, "recordings"))
        os.makedirs(recordings, exist_ok=True)
        async with daemon("log.filter=warn") as target:
            for name in names or CLIENTS:
                result = await certify(name, target, sounds, recordings)
                passed, failed = passed + result[0], failed + result[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
