"""Telephones that are not ours: sipp plays scenarios against the daemon, and baresip holds spoken
conversations with it, whose words are checked both ways.

Starts the binary named in VOICED_BIN on loopback, ends it by its id, and prints how many checks
passed. Needs sipp and baresip. Every wait has an end.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("VOICED_BIN", str(HERE.parent.parent / "target/debug/voiced"))
SIP = 25060
SCRIPTED = """
[ear]
engine = "scripted"
rows = 128
[mind]
engine = "fixed"
[voice]
engine = "tone"
rows = 128
[listen]
max_calls = 120
"""

passed, failed = 0, 0


def check(what, is_true, detail=""):
    global passed, failed
    passed, failed = passed + bool(is_true), failed + (not is_true)
    print(f"{'ok  ' if is_true else 'FAIL'} telephone: {what}" + ("" if is_true else f": {detail}"), flush=True)


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def found(wanted, heard):
    wanted, heard = words(wanted), words(heard)
    return sum(word in heard for word in wanted) / max(1, len(wanted))


class Daemon:
    """One daemon with its telephone on loopback."""

    def __init__(self, folder, settings="", port=SIP):
        self.log = open(folder / f"voiced-{port}.log", "w+")
        file = folder / f"voiced-{port}.toml"
        file.write_text(f"[telephone]\nenabled = true\naddress = \"127.0.0.1:{port}\"\nmax_calls = 120\n{settings}")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--config", file],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if "http://" in line:
                break
        self.port = port

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "had to be killed"

    def threads_and_memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def sipp(folder, port, scenario, calls=1, rate=10, more=()):
    """Plays a scenario; gives whether every call went as written, and what went wrong."""
    name = scenario if scenario.startswith("-") else None
    which = ["-sn", scenario[1:]] if name else ["-sf", str(HERE / f"{scenario}.xml")]
    command = ["sipp", f"127.0.0.1:{port}", *which, "-i", "127.0.0.1", "-p", "0", "-m", str(calls), "-r", str(rate),
               "-nostdin", "-timeout", "50s", "-timeout_error", "-trace_err", "-error_file", str(folder / "sipp.err"), *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=90)
    error = folder / "sipp.err"
    detail = error.read_text()[-800:] if error.exists() else done.stdout[-400:]
    if error.exists():
        error.unlink()
    return done.returncode == 0, detail


def scenarios(folder):
    daemon = Daemon(folder, SCRIPTED)
    for scenario, what in [
        ("basic", "a call is taken and ended"),
        ("offerless", "an INVITE without an offer gets one"),
        ("late_ack", "an answer is repeated until it is acknowledged"),
        ("hold", "a call is held and resumed, and the codec changes"),
        ("session_timer", "a session is refreshed, and one that asks too often is refused"),
        ("options", "OPTIONS are answered"),
        ("info", "keys come by INFO"),
        ("refer_in", "a transfer that policy does not allow is declined"),
        ("agent_hangs_up", "a BYE in the wrong place is refused"),
    ]:
        ok, detail = sipp(folder, SIP, scenario)
        check(what, ok, detail)
    before = daemon.threads_and_memory()
    ok, detail = sipp(folder, SIP, "basic", calls=100, rate=50, more=["-l", "100", "-d", "3000"])
    check("a hundred calls at once", ok, detail)
    check("memory stays in bounds", daemon.threads_and_memory() < before + 400_000, daemon.threads_and_memory())
    cancel_race(daemon)
    hostile(daemon)
    check("the daemon ends as it should", daemon.end() == 0)


def cancel_race(daemon):
    """CANCEL right behind the INVITE: the caller is let go, or the call stands and is hung up."""
    outcomes = set()
    for n in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind(("127.0.0.1", 0))
            caller.settimeout(3)
            me = f"127.0.0.1:{caller.getsockname()[1]}"
            body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {27000 + 2 * n} RTP/AVP 0\r\n"

            def say(method, cseq, to="", body="", branch="a"):
                caller.sendto((f"{method} sip:voiced@127.0.0.1:{daemon.port} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{n}{branch}\r\n"
                               f"Max-Forwards: 70\r\nFrom: <sip:me@{me}>;tag=c{n}\r\nTo: {to or f'<sip:voiced@127.0.0.1:{daemon.port}>'}\r\n"
                               f"Call-ID: race-{n}@{me}\r\nCSeq: {cseq} {method}\r\nContact: <sip:me@{me}>\r\n"
                               f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode(),
                              ("127.0.0.1", daemon.port))

            say("INVITE", 1, body=body)
            time.sleep(n * 0.002)
            say("CANCEL", 1)
            cancelled, outcome = False, None
            try:
                while not cancelled or outcome is None:
                    answer = caller.recv(4_000).decode()
                    status, to = answer.split(" ")[1], re.search(r"\r\nTo: ([^\r]*)", answer)[1]
                    if "1 CANCEL" in answer:
                        cancelled = cancelled or status == "200"
                    elif status == "487":
                        say("ACK", 1, to)
                        outcome = "cancelled"
                    elif status == "200":
                        say("ACK", 1, to, branch="b")
                        say("BYE", 2, to, branch="c")
                        outcome = "hung up"
            except socket.timeout:
                outcome = f"stuck: {cancelled} {outcome}"
            outcomes.add(outcome)
    check("a CANCEL that races with the answer", outcomes <= {"cancelled", "hung up"}, outcomes)


def hostile(daemon):
    """Rubbish gets nothing and breaks nothing."""
    rubbish = [b"", b"\0" * 100, b"A" * 60_000, b"INVITE\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n",
               b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n" + b"X: y\r\n" * 3_000 + b"\r\n",
               b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.5)
        for message in rubbish:
            sender.sendto(message, ("127.0.0.1", daemon.port))
        try:
            answer = sender.recv(2_000)
        except socket.timeout:
            answer = None
    check("rubbish gets no answer", answer is None, answer)
    with socket.create_connection(("127.0.0.1", daemon.port)) as stream:
        stream.settimeout(3)
        stream.sendall(b"A" * 40_000)
        try:
            gone = stream.recv(10) == b""
        except (ConnectionError, socket.timeout) as error:
            gone = isinstance(error, ConnectionError)
    check("a stream of rubbish is closed", gone)
    check("and the daemon lives", daemon.process.poll() is None)


def strangers(folder):
    """Who is no trunk hears nothing, whatever they send."""
    daemon = Daemon(folder, "trunks = [\"192.0.2.0/24\"]\n" + SCRIPTED, SIP + 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
        scanner.bind(("127.0.0.1", 0))
        scanner.settimeout(1)
        me = f"127.0.0.1:{scanner.getsockname()[1]}"
        for method in ["OPTIONS", "INVITE", "REGISTER"]:
            scanner.sendto((f"{method} sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK-{method}\r\n"
                            f"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@1.1.1.1>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n"
                            f"Contact: <sip:100@{me}>\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n").encode(),
                           ("127.0.0.1", daemon.port))
        try:
            answer = scanner.recv(2_000)
        except socket.timeout:
            answer = None
    check("a scanner hears nothing", answer is None, answer)
    check("and the daemon ends as it should", daemon.end() == 0)


def speak(folder, text, rate, channels):
    """A file with the words, 5 s in, at a rate; what baresip plays."""
    bare = folder / "bare.wav"
    subprocess.run([BINARY, "speak", text, "-o", bare], check=True, capture_output=True)
    with wave.open(str(bare)) as sound:
        frames = sound.readframes(sound.getnframes())
        assert sound.getframerate() == 24_000
    samples = memoryview(frames).cast("h")
    count = int(len(samples) * rate / 24_000)
    out = bytearray()
    for n in range(count):
        at = n * 24_000 / rate
        here, part = int(at), at - int(at)
        there = min(here + 1, len(samples) - 1)
        if rate < 24_000:
            span = samples[here:here + max(1, 24_000 // rate)]
            value = int(sum(span) / len(span))
        else:
            value = int(samples[here] * (1 - part) + samples[there] * part)
        out += value.to_bytes(2, "little", signed=True) * channels
    silence = b"\0\0" * rate * channels
    path = folder / f"question-{rate}.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(silence * 6 + bytes(out) + silence * 12)
    return path


def baresip(folder, port, codec, rate, channels, account="", dial=True, seconds=22):
    """baresip calls, asks aloud and listens; gives what it heard as text, and its log."""
    home = folder / f"baresip-{codec.replace('/', '-')}"
    dumps = home / "dumps"
    dumps.mkdir(parents=True, exist_ok=True)
    question = speak(folder, "Hello. Can you hear me?", rate, channels)
    modules = "\n".join(f"module {name}.so" for name in ["stdio", "g711", "g722", "opus", "aufile", "sndfile", "aubridge", "srtp"])
    (home / "config").write_text(
        f"sip_listen 127.0.0.1:25170\nmodule_path /usr/lib/baresip/modules\n{modules}\nmodule_tmp account.so\nmodule_app menu.so\n"
        f"audio_player aubridge,nil\naudio_alert aubridge,nil\naudio_source aufile,{question}\nausrc_srate {rate}\nauplay_srate {rate}\n"
        f"ausrc_channels {channels}\nauplay_channels {channels}\nsnd_path {dumps}\nrtp_ports 26000-26100\n")
    (home / "accounts").write_text(f"<sip:tester@127.0.0.1:25170>;regint=0;answermode=auto;audio_codecs={codec}{account}\n")
    (home / "contacts").write_text("\n")
    command = ["baresip", "-f", str(home), "-t", str(seconds)]
    if dial:
        command += ["-e", f"/dial sip:voiced@127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process, dumps


def listen(process, dumps, seconds=22):
    # baresip tears a call down when it is told to leave, not when its time is over.
    try:
        process.wait(seconds - 3)
    except subprocess.TimeoutExpired:
        process.stdin.write(b"q")
        process.stdin.flush()
    try:
        log = process.communicate(timeout=15)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        return "", "baresip did not end"
    files = sorted(dumps.glob("*-dec.wav"))
    if not files:
        return "", log[-600:]
    heard = subprocess.run([BINARY, "transcribe", files[-1]], capture_output=True, text=True)
    return heard.stdout, log


def conversations(folder):
    daemon = Daemon(folder)
    answer = "yes i can hear you well what can i do for you"
    for codec, rate, channels, account, name in [
        ("PCMU", 8_000, 1, "", "pcmu"),
        ("PCMA", 8_000, 1, "", "pcma"),
        ("G722/16000/1", 16_000, 1, "", "g722"),
        ("opus/48000/2", 48_000, 2, "", "opus"),
        ("PCMU/8000/1", 8_000, 1, ";mediaenc=srtp-mand", "srtp"),
    ]:
        process, dumps = baresip(folder, daemon.port, codec, rate, channels, account)
        heard, log = listen(process, dumps)
        greeting = found("hello how can i help you", heard)
        check(f"{name}: the greeting is understood", greeting >= 0.5, f"{heard!r} {log[-300:]}")
        lines = heard.strip().splitlines()
        replied = len(lines) >= 2 and len(words(lines[-1])) >= 6
        check(f"{name}: the question is answered by a voice", replied, heard)
        if name == "opus":
            check("opus: the answer is the right one", found(answer, lines[-1] if lines else "") >= 0.4, heard)
        kind = "srtp" if name == "srtp" else name
        if kind == "srtp":
            check("srtp: the sound is encrypted", "SRTP is Enabled" in log, log[-400:])
        else:
            check(f"{name}: the codec is used", f'codec="{name}"' in daemon.said(), daemon.said()[-300:])
    check("the daemon ends as it should", daemon.end() == 0)


def outbound(folder):
    """voiced calls baresip, which takes the call and asks."""
    process, dumps = baresip(folder, 0, "PCMA", 8_000, 1, dial=False, seconds=30)
    time.sleep(2)
    call = [BINARY, "call", "sip:tester@127.0.0.1:25170", "--set", "telephone.outbound.dial_hosts=127.0.0.1"]
    calling = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    heard, log = listen(process, dumps, 26)
    try:
        told = calling.communicate(timeout=15)[0]
    except subprocess.TimeoutExpired:
        calling.send_signal(signal.SIGINT)
        told = calling.communicate(timeout=15)[0]
    check("a call of ours is taken and heard", found("hello how can i help you", heard) >= 0.5, f"{heard!r} {told} {log[-300:]}")
    check("and its end is told", "ended after" in told and "caller_left" in told, told)
    refused = subprocess.run([BINARY, "call", "sip:tester@127.0.0.1:25170"], capture_output=True, text=True, timeout=60)
    check("nobody is called who is not allowed", refused.returncode != 0 and "not allowed" in refused.stderr, refused.stderr)


def main():
    steps = {"scenarios": scenarios, "strangers": strangers, "conversations": conversations, "outbound": outbound}
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or steps:
            steps[name](pathlib.Path(folder))
    print(f"telephone: {passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
