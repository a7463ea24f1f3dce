#!/usr/bin/env python3
"""Records what mistral-common makes of some texts, for the tests of voiced-nn's tokenizer.

  tekken.py llm/nn/tests/tekken/recorded.json     a small vocabulary with the published pattern
  tekken.py --files OUT.json tekken.json …        the cases of published files; give OUT.json to
                                                  the tests as VOICED_TEKKEN_CASES

Needs: mistral-common
"""
import base64
import collections
import json
import sys
import tempfile
from pathlib import Path

from mistral_common.tokens.tokenizers.tekken import Tekkenizer

PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "", " ", "  ", "\n", " \n \n", "a", "Hello world", " Hello world", "hello  world   again",
    "HELLO World hELLO", "The quick brown fox jumps over the lazy dog.", "don't can't I'll we've",
    "1234567890", "3.14159, 2,718", "x=1;y=2//comment\n\tz", "tabs\tand\t\ttabs", "trailing   ",
    "line\r\nbreaks\r\n\r\n", "école déjà vu Ünïcödé", "e\u0301 combining", "你好，世界！", "こんにちは世界",
    "안녕하세요 세계", "مرحبا بالعالم", "हिन्दी में पाठ", "Привет, мир!", "Ελληνικά", "🎙️ emoji 👩‍👩‍👧‍👦 family",
    "mixed 中文 and English 和 العربية", "[INST] is not special [/INST] <s>", "[STREAMING_PAD]",
    "a" * 300, " " * 300, "ab" * 200, "\u00a0nbsp\u00a0", "\u2028line sep", "zero\u200bwidth",
    "https://example.org/a?b=c&d=e#f", "snake_case and CamelCase and kebab-case", "€100 £200 ¥300",
    "“quotes” ‘single’ — dash … dots", "ﬁ ligature ½ fraction ²", "ẞ ß ŉ ǅ", "\ufeffbom",
    "the the the there then them", "in ing ring string singing", "\x00\x01\x7f control",
    "one two three four five six seven eight nine ten", "And so, my fellow Americans, ask not what",
    "ThisIsAVeryLongIdentifierWithManyHumps", "ALLCAPSWORD Mixed123Digits456",
    "Wie spät ist es? Es ist halb drei.", "Où est la bibliothèque ?", "¿Dónde está la biblioteca?",
]


def learned_vocabulary(count: int) -> list[bytes]:
    """Single bytes, then the most frequent pairs of the texts, as byte-pair encoding learns them."""
    words = [w.encode() for t in TEXTS for w in t.replace(" ", "\n ").split("\n") if w]
    split = [[bytes([b]) for b in w] for w in words]
    pieces = [bytes([i]) for i in range(256)]
    known = set(pieces)
    while len(pieces) < count:
        pairs = collections.Counter(p for w in split for p in zip(w, w[1:]) if p[0] + p[1] not in known)
        (a, b), _ = min(pairs.items(), key=lambda kv: (-kv[1], kv[0]))
        pieces.append(a + b)
        known.add(a + b)
        for word in split:
            i = 0
            while i + 1 < len(word):
                if word[i] == a and word[i + 1] == b:
                    word[i : i + 2] = [a + b]
                else:
                    i += 1
    return pieces


def small() -> dict:
    pieces = learned_vocabulary(600)
    vocab = [{"rank": i, "token_bytes": base64.b64encode(p).decode(), "token_str": None} for i, p in enumerate(pieces)]
    specials = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    return {
        "config": {"pattern": PATTERN, "num_vocab_tokens": len(vocab), "default_vocab_size": 20 + len(vocab),
                   "default_num_special_tokens": 20, "version": "v7"},
        "vocab": vocab,
        "special_tokens": [{"rank": i, "token_str": s, "is_control": True} for i, s in enumerate(specials)],
    }


def cases(path: Path) -> list[dict]:
    tokenizer = Tekkenizer.from_file(path)
    return [{"text": t, "ids": tokenizer.encode(t, bos=False, eos=False)} for t in TEXTS]


def main() -> None:
    if sys.argv[1] == "--files":
        files = [{"path": str(Path(p).resolve()), "cases": cases(Path(p))} for p in sys.argv[3:]]
        Path(sys.argv[2]).write_text(json.dumps({"files": files}))
        return
    file = small()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tekken.json"
        path.write_text(json.dumps(file))
        recorded = {"tekken": file, "cases": cases(path)}
    Path(sys.argv[1]).write_text(json.dumps(recorded, ensure_ascii=False, indent=0))


if __name__ == "__main__":
    main()
