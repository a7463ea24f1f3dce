"""Runs clients nobody here wrote against the daemon with its embedded engines, each in its own
interpreter, and judges the recorded sessions. Prints a line per check and how many passed.

  certify.py [NAME...]      names of clients; none is all of them
"""
import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import re
import socket
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from daemon import BINARY, ROOT, daemon, speak
from recorder import recorder
from transcript import judge

HERE = os.path.dirname(os.path.abspath(__file__))
EACH = 150
# Spoken to every client.
SOUNDS = {"question": "Can you hear me?", "interruption": "Stop please. What time is it?"}
# name: (where it is installed, its program, whether its sockets speak the OpenAI dialect)
CLIENTS = {
    "aiortc": ("base", "aiortc_test.py", False),
    "openai": ("base", "openai_client.py", True),
    "rest": ("base", "rest_client.py", True),
    "agents": ("base", "agents_client.py", True),
    "homemade": ("base", "homemade_client.py", True),
    "mistral": ("base", "mistral_client.py", False),
    "vllm": ("base", "vllm_client.py", False),
    "pipecat": ("pipecat", "pipecat_client.py", True),
    "livekit": ("livekit", "livekit_client.py", True),
    "agents-js": ("node", "agents.mjs", True),
    "browser": ("node", "browser.mjs", True),
    "openai-js": ("node", "openai_tls.mjs", True),
}


def command(where, program):
    if where == "node":
        return ["node", os.path.join(HERE, "node", program)], os.path.join(HERE, "node")
    python = sys.executable if where == "base" else os.path.join(ROOT, f".venv-{where}", "bin/python")
    return [python, os.path.join(HERE, program)], HERE


def certificate(folder):
    """A certificate of our own for loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "voiced test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem")
    with open(chain, "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    with open(secret, "wb") as file:
        file.write(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ))
    return chain, secret


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def run_client(name, url, stage):
    """How many checks passed and failed, and what it recorded by itself."""
    where, program, _ = CLIENTS[name]
    arguments, folder = command(where, program)
    environment = {**os.environ, "VOICED_URL": url, "VOICED_BIN": BINARY, "VOICED_SOUNDS": stage.sounds,
                   "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "any", "OPENAI_AGENTS_DISABLE_TRACING": "1",
                   "VOICED_PAGE_PORT": str(stage.page), "NODE_EXTRA_CA_CERTS": stage.chain}
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=folder, env=environment, limit=32 << 20,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    passed, failed, recorded = 0, 0, []

    async def told():
        nonlocal passed, failed
        while line := (await process.stdout.readline()).decode(errors="replace"):
            if line.startswith("RECORD "):
                path = os.path.join(stage.recordings, f"{name}-page.jsonl")
                with open(path, "w") as file:
                    file.writelines(json.dumps(event) + "\n" for event in json.loads(line[7:]))
                recorded.append(path)
                continue
            passed += line.startswith("ok ")
            failed += line.startswith("FAIL")
            print(line.rstrip()[:600], flush=True)

    try:
        await asyncio.wait_for(told(), EACH)
    except asyncio.TimeoutError:
        process.kill()
        failed += 1
        print(f"FAIL {name}: not done after {EACH} s", flush=True)
    code = await process.wait()
    if code and not failed or not passed + failed:
        failed += 1
        print(f"FAIL {name}: ended with {code}", flush=True)
    return passed, failed, recorded


async def certify(name, stage):
    """The same, its recorded sessions judged."""
    began, files = time.monotonic(), []
    if name == "openai-js":
        passed, failed, files = await run_client(name, stage.tls, stage)
    elif name in ("browser", "aiortc"):
        passed, failed, files = await run_client(name, stage.plain, stage)
    else:
        async with recorder(stage.plain, stage.recordings, name) as (url, files):
            passed, failed, _ = await run_client(name, url, stage)
    if CLIENTS[name][2] and files:
        n_events, findings = 0, []
        for file in files:
            n, found = judge(file)
            n_events, findings = n_events + n, findings + found
        for finding in sorted({re.sub(r"^.*?\.jsonl:\d+: ", "", one) for one in findings})[:20]:
            print(f"     {name}: {finding}")
        passed, failed = passed + (not findings), failed + bool(findings)
        verdict = "FAIL" if findings else "ok  "
        print(f"{verdict} {name}: {n_events} events of {len(files)} sessions are as the protocol has them")
    print(f"     {name}: {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed


class Stage:
    """What every client is given."""


async def main(names):
    passed = failed = 0
    async with contextlib.AsyncExitStack() as stack:
        stage = Stage()
        stage.sounds = stack.enter_context(tempfile.TemporaryDirectory())
        for name, text in SOUNDS.items():
            speak(text, os.path.join(stage.sounds, f"{name}.wav"))
        stage.recordings = os.environ.get("VOICED_RECORDINGS", os.path.join(stage.sounds, "recordings"))
        os.makedirs(stage.recordings, exist_ok=True)
        stage.chain, key = certificate(stage.sounds)
        stage.page = free_port()
        origins = f"listen.allowed_origins=http://127.0.0.1:{stage.page}"
        stage.plain = await stack.enter_async_context(daemon("log.filter=error", origins))
        stage.tls = await stack.enter_async_context(daemon(
            "log.filter=error", f"listen.tls_certificate={stage.chain}", f"listen.tls_key={key}"
        ))
        for name in names or CLIENTS:
            result = await certify(name, stage)
            passed, failed = passed + result[0], failed + result[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
