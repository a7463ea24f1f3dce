"""Judges recorded sessions: every event has exactly the fields and types of the OpenAI package's own
models (its models take unknown keys silently; here they are findings), and comes when the protocol
lets it. Lines are {"dir": "client" or "server", "event": {...}} or bare server events.

  transcript.py FILE.jsonl...      exit status 1 on a finding
"""
import json
import sys

import pydantic
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

MODELS = {"server": pydantic.TypeAdapter(RealtimeServerEvent), "client": pydantic.TypeAdapter(RealtimeClientEvent)}
# In OpenAI's published examples, though not in its models.
KNOWN_EXTRAS = {"object", "id", "expires_at", "obfuscation", "event_id", "format"}
# May be null only if the model says so; these must be there whatever the model says.
ALWAYS = {
    "response.created": ("id", "object", "status", "status_details", "output", "conversation_id",
                         "output_modalities", "max_output_tokens", "audio", "metadata", "usage"),
}
ALWAYS["response.done"] = ALWAYS["response.created"]


def extras(value, path):
    """Keys that no model has, however deep."""
    if isinstance(value, pydantic.BaseModel):
        for key in value.model_extra or {}:
            if key not in KNOWN_EXTRAS:
                yield f"{path}.{key}: unknown key"
        for key in value.model_fields_set:
            yield from extras(getattr(value, key, None), f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for at, one in enumerate(value):
            yield from extras(one, f"{path}[{at}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from extras(one, f"{path}.{key}")


def form(side, event):
    kind = event.get("type")
    try:
        read = MODELS[side].validate_json(json.dumps(event), strict=True)
    except pydantic.ValidationError as error:
        for finding in error.errors()[:3]:
            yield f"{kind}: {'.'.join(map(str, finding['loc']))}: {finding['msg']}"
        return
    yield from extras(read, kind)
    for key in ALWAYS.get(kind, ()):
        if key not in event["response"]:
            yield f"{kind}: response.{key}: missing"


class Order:
    """What may follow what, one server event after another."""

    def __init__(self):
        self.n, self.event_ids = 0, set()
        self.alive, self.over = {}, set()  # responses
        self.items, self.ended_items = set(), set()
        self.parts, self.speaking = {}, None

    def push(self, event):
        kind = event["type"]
        self.n += 1
        if self.n == 1 and kind != "session.created":
            yield f"{kind} before session.created"
        event_id = event.get("event_id")
        if not event_id or event_id in self.event_ids:
            yield f"{kind}: event_id {event_id!r} is missing or was used before"
        self.event_ids.add(event_id)
        if kind.startswith("response."):
            yield from self.response(kind, event)
        elif kind == "conversation.item.added":
            if event["item"]["id"] in self.items:
                yield f"{kind}: {event['item']['id']} was added before"
            before = event.get("previous_item_id")
            if before and before not in self.items:
                yield f"{kind}: previous_item_id {before} was never added"
            self.items.add(event["item"]["id"])
        elif kind == "conversation.item.done":
            item = event["item"]["id"]
            if item not in self.items or item in self.ended_items:
                yield f"{kind}: {item} was not added, or is done already"
            self.ended_items.add(item)
        elif kind == "input_audio_buffer.speech_started":
            if self.speaking:
                yield f"{kind} twice"
            self.speaking = event["item_id"]
        elif kind == "input_audio_buffer.speech_stopped":
            if self.speaking != event["item_id"]:
                yield f"{kind} of {event['item_id']}, but {self.speaking} was speaking"
            self.speaking = None

    def response(self, kind, event):
        response = event.get("response_id") or event.get("response", {}).get("id")
        if kind == "response.created":
            if event["response"]["conversation_id"] and any(self.alive.values()):
                yield f"{kind}: another response of the conversation is alive"
            if event["response"]["status"] != "in_progress" or event["response"]["output"]:
                yield f"{kind}: it is neither empty nor in progress"
            self.alive[response] = bool(event["response"]["conversation_id"])
            return
        if response is None:
            return
        if response not in self.alive:
            yield f"{kind}: {response} is over or was never created"
            return
        if kind == "response.done":
            del self.alive[response]
            open_parts = [key for key, n in self.parts.items() if key[0] == response and n > 0]
            if open_parts:
                yield f"{kind}: still open: {open_parts}"
            if event["response"]["status"] == "in_progress":
                yield f"{kind}: it is in progress"
            return
        family = kind.removeprefix("response.")
        if family.endswith((".added", ".done", ".delta")):
            stem, verb = family.rsplit(".", 1)
            item = event.get("item_id") or event.get("item", {}).get("id")
            key = (response, stem, item, event.get("content_index"))
            if verb in ("added", "delta"):
                self.parts[key] = 1
            elif stem in ("output_item", "content_part") and self.parts.get(key, 0) < 1:
                yield f"{kind}: it was never added"
            else:
                self.parts[key] = 0


def judge(path):
    """Findings of one recorded session, and how many server events it has."""
    order, n, findings = Order(), 0, []
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            event, side = json.loads(line), "server"
            if "dir" in event:
                side, event = event["dir"], event["event"]
            if str(event.get("type")).startswith("voiced."):
                continue
            found = list(form(side, event)) if side == "server" else []
            if side == "server":
                n += 1
                found += order.push(event)
            findings += [f"{path}:{number}: {one}" for one in found]
    return n, findings


def main(paths):
    bad = 0
    for path in paths:
        n, findings = judge(path)
        bad += len(findings)
        for finding in findings:
            print(finding)
        print(f"{path}: {n} events, {len(findings)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
