#!/usr/bin/env python3
"""Writes tts/tests/tokens/tekken.json: texts in many languages with the ids mistral-common gives
them in its public vocabulary, and the part of that vocabulary the texts can touch.

Byte-pair merging only ever looks up stretches of the text itself, so the entries that occur in the
texts, at their own ranks, give the same ids as the whole 19 MB file. Needs mistral-common:

    python scripts/golden/tekken.py
"""
import base64
import json
import re
from pathlib import Path

import mistral_common
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

TEXTS = r"""
Hello.
a
Paris is a beautiful city!
The meeting is at 14:30 on 2026-03-26, room B-12; call +1 (415) 555-2671.
It's the 3rd time they've said they'd "come soon" — isn't it?
HTTPServer2 parseJSON snake_case CamelCase x86_64 C++ #hashtag @home 50% $5.00
Dr. Smith paid £1,234.56 for 2.5 kg of flour at 9:05 a.m.
\tTabs\tand  double   spaces    here \u00a0and\u2003there
Supercalifragilisticexpialidocious antidisestablishmentarianism
[AUDIO][BEGIN_AUDIO]</s><s>[INST] not a marker [/INST]
Bonjour, je m'appelle Claude. Ça va très bien, merci !
L'été dernier, où étiez-vous ? À l'hôtel « Étoile » près de la forêt, cœur à cœur.
Aujourd’hui c’est le 1er août, il fait 35 °C.
El niño comió 42 manzanas; ¿verdad? ¡Claro que sí, señor Muñoz!
La cigüeña voló hacia el pingüino. Número: 600 123 456.
Grüße aus München — die Straße ist schön.
Die Geschwindigkeitsbegrenzung beträgt 30 km/h; Übermäßige Eile schadet, sagte Herr Weiß.
Äpfel, Öl und Übung: 3,50 € am 24.12.2025 um 18 Uhr.
Ciao! Però... non è così, vero? Perché no? L'università è già chiusa.
Buongiorno, sono le 7:45 e costa € 12,99.
Olá, tudo bem? Ação, coração, não. O avô e a avó estão aí às três.
Amanhã às 15h30 na Praça da Sé, São Paulo.
Goedemorgen, hoe gaat het met u vandaag? 's Avonds is het geïsoleerd, zo'n 5 graden.
Het IJsselmeer ligt vlakbij; één reünie per jaar.
नमस्ते, आप कैसे हैं?
मेरा नाम प्रिया है और मैं दिल्ली में रहती हूँ। आज तापमान ३५ डिग्री है।
क्षत्रिय ज्ञान श्रृंखला — संस्कृति, ₹१,२३,४५६
مرحبا كيف حالك؟
السَّلامُ عَلَيْكُم ورحمة الله وبركاته، كيف يمكنني مساعدتك اليوم؟
الساعة ٣:٤٥ مساءً، التاريخ ٢٦/٠٣/٢٠٢٦، والسعر ١٢٫٥٠ دولارًا.
שלום עולם, מה שלומך היום?
The word مرحبا means hello, and שלום means peace; 你好 too.
今日は良い天気ですね。東京タワーへ行きましょう!
你好,世界。我今天学习了三个小时。
안녕하세요, 반갑습니다. 오늘 날씨가 좋네요.
Привет, как дела? Ёжик съел 5 яблок.
Γειά σου Κόσμε! Πώς είσαι;
สวัสดีครับ ยินดีต้อนรับ
Xin chào, tôi tên là Nguyễn Văn Đức.
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.
İstanbul'da güneşli bir gün; ığdır'a gidiyorum.
🎤
🎤🔊 says 👩‍👩‍👧‍👦 and 🏳️‍🌈 and 🇩🇪🇫🇷 and 👍🏽!
Smile 😀😃😄 — ❤️‍🔥 100 % ☎️ ™ © ½ ¾ ² ³
e\u0301 vs é, a\u0308 vs ä, \u1112\u1161\u11ab vs 한
zero\u200bwidth\u200dand\u2060joiners\ufeffhere
\u202eright to left override\u202c and back
Line one\nLine two\r\nLine three\n\n\nLine four
  leading and trailing  
...!!!???---***///\\\\\\
1234567890 0.0001 1e-10 3.14159 1/2 2×2=4 −5 ±7
https://example.com/path?q=voxtral&lang=de#top and mail me@example.org
((nested [brackets] {braces} <tags>)) "quotes" 'single' „deutsche“ «français»
ǅ ǈ titlecase and ʰ modifier ª º ordinals
Ⅷ ⅳ ① ㊿ ٣ ९ numerals of many kinds
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
\u0000\u0001\u0007\u001b control \u007f\u0085 characters
The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX. tHe QuIcK.
Mixed: Zürich's कॉफ़ी costs 5€, قهوة too, コーヒーも、and кофе!
""".strip("\n").split("\n")


ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|([nrt]))")
ENDS = {"n": "\n", "r": "\r", "t": "\t"}


def texts():
    """Every line, escapes undone, and every run of three lines, so that joints are tried as well."""
    meant = lambda m: chr(int(m[1], 16)) if m[1] else ENDS[m[2]]
    lines = [ESCAPE.sub(meant, line) for line in TEXTS]
    yield from lines
    for i in range(0, len(lines) - 2, 3):
        yield " ".join(lines[i : i + 3])


def main():
    path = Path(mistral_common.__file__).parent / "data/tekken_240911.json"
    tekken = Tekkenizer.from_file(path)
    full = json.loads(path.read_text())
    n_special = full["config"]["default_num_special_tokens"]
    reachable = full["config"]["default_vocab_size"] - n_special
    cases = []
    for text in texts():
        ids = tekken.encode(text, bos=False, eos=False)
        cases.append({"text": text, "ids": ids})
    blob = b"\xff".join(case["text"].encode("utf-8") for case in cases)
    vocab = []
    for entry in full["vocab"][:reachable]:
        token = base64.b64decode(entry["token_bytes"])
        if len(token) == 1 or token in blob:
            vocab.append([entry["rank"], entry["token_bytes"]])
    out = Path(__file__).resolve().parents[2] / "tts/tests/tokens/tekken.json"
    result = {
        "note": f"made by scripts/golden/tekken.py with mistral-common {mistral_common.__version__}, {path.name}",
        "pattern": full["config"]["pattern"],
        "reachable": reachable,
        "vocab": vocab,
        "cases": cases,
    }
    out.write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{len(cases)} cases, {len(vocab)} entries, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
