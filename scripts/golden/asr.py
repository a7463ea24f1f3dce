#!/usr/bin/env python3
"""Golden data for the ear: a tiny random checkpoint with every feature of the published one, in both
namings, and what transformers computes with it; beside it an independent implementation written from
the specification, which must agree.

  asr.py asr/tests/golden                     the fixtures of asr/tests/golden.rs
  asr.py --random 7 DIR                       other sizes, drawn with this seed
  asr.py --random 7 --check DIR               and asr/tests/golden.rs run on them

Needs: torch, transformers>=5.2, mistral-common[audio] (soundfile, soxr), safetensors, numpy
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.set_grad_enabled(False)
torch.set_num_threads(2)

# ----------------------------------------------------------------------------------------
# Constants that are the same for the tiny model and for the published checkpoint
# ----------------------------------------------------------------------------------------
SR = 16_000
HOP = 160
WIN = 400
N_MELS = 128
LOG_MEL_MAX = 1.5
DOWNSAMPLE = 4
SAMPLES_PER_TOKEN = 1280  # 80 ms
FRAMES_PER_TOKEN = 8  # mel frames per token
N_LEFT_PAD = 32
RIGHT_BUFFER = 10
BOS, EOS, PAD_STREAM, WORD_STREAM = 1, 2, 32, 33
N_SPECIAL = 1000
ADA_DIM = 32

# Tiny dimensions
ENC = dict(dim=48, layers=2, heads=4, head_dim=16, ffn=96, window=24)
DEC = dict(dim=64, layers=2, heads=4, kv_heads=2, head_dim=24, ffn=112, window=40, vocab=1280)
THETA = 1.0e6
EPS = 1e-5

SPECIALS = {
    0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]",
    6: "[/AVAILABLE_TOOLS]", 7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]",
    10: "[IMG]", 11: "<pad>", 12: "[IMG_BREAK]", 13: "[IMG_END]", 14: "[PREFIX]",
    15: "[MIDDLE]", 16: "[SUFFIX]", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]",
    19: "[TOOL_CONTENT]", 24: "[AUDIO]", 25: "[BEGIN_AUDIO]",
    32: "[STREAMING_PAD]", 33: "[STREAMING_WORD]",
}


# ----------------------------------------------------------------------------------------
# Fixtures: waveform, tokenizer, configs, weights
# ----------------------------------------------------------------------------------------
def make_waveform(seconds: float = 3.0, seed: int = 7) -> np.ndarray:
    """Deterministic synthetic signal as int16 PCM: silence, chirps, harmonics, noise."""
    n = int(seconds * SR)
    t = np.arange(n) / SR
    rng = np.random.default_rng(seed)
    x = np.zeros(n)
    seg = (t > 0.25) & (t < 1.10)
    f = 180 + 900 * (t - 0.25)
    x[seg] += 0.30 * np.sin(2 * np.pi * np.cumsum(f) / SR)[seg]
    seg = (t > 0.80) & (t < 1.70)
    for h in range(1, 9):
        x[seg] += (0.18 / h) * np.sin(2 * np.pi * 140 * h * t + 0.3 * h)[seg]
    seg = (t > 1.90) & (t < 2.30)
    x[seg] += 0.08 * rng.standard_normal(n)[seg]
    seg = (t > 2.20) & (t < 2.95)
    x[seg] += 0.25 * np.sin(2 * np.pi * (2500 * t - 380 * t**2))[seg]
    x *= 0.5 * (1 - np.cos(2 * np.pi * np.clip(t / seconds, 0, 1))) * 0.6 + 0.4
    x += 1e-4 * rng.standard_normal(n)
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)


def write_tekken(path: Path) -> None:
    """A miniature tekken.json with the same schema and the same audio block."""
    pieces = [bytes([i]) for i in range(256)]
    words = ["  ", " t", "er", "in", " a", "he", "on", "re", " s", "en", " the", "ing", "\u00e9",
             " \u4f60\u597d", " And", " you", " can", " be", " it", " Hello", " world", "\u20ac", " der", " que"]
    pieces += [w.encode("utf-8") for w in words]
    assert len(pieces) == DEC["vocab"] - N_SPECIAL, len(pieces)
    vocab = []
    for i, b in enumerate(pieces):
        try:
            s = b.decode("utf-8")
        except UnicodeDecodeError:
            s = None
        vocab.append({"rank": i, "token_bytes": base64.b64encode(b).decode(), "token_str": s})
    special = [
        {"rank": i, "token_str": SPECIALS.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(40)
    ]
    data = {
        "config": {
            "pattern": r" ?\S+|\s+",
            "num_vocab_tokens": len(vocab),
            "default_vocab_size": DEC["vocab"],
            "default_num_special_tokens": N_SPECIAL,
            "version": "v7",
        },
        "vocab": vocab,
        "special_tokens": special,
        "audio": {
            "sampling_rate": SR,
            "frame_rate": 12.5,
            "audio_encoding_config": {"num_mel_bins": N_MELS, "hop_length": HOP, "window_size": WIN},
            "chunk_length_s": None,
            "transcription_format": "streaming",
            "transcription_delay_ms": 480,
            "streaming_look_ahead_ms": 2.5,
            "streaming_look_back_ms": 52.5,
            "streaming_n_left_pad_tokens": N_LEFT_PAD,
        },
    }
    path.write_text(json.dumps(data, ensure_ascii=False))


def params_json() -> dict:
    """Mistral-layout configuration, same schema as the published params.json."""
    return {
        "dim": DEC["dim"], "n_layers": DEC["layers"], "head_dim": DEC["head_dim"],
        "hidden_dim": DEC["ffn"], "n_heads": DEC["heads"], "n_kv_heads": DEC["kv_heads"],
        "use_biases": False, "causal": True, "rope_theta": THETA, "norm_eps": EPS,
        "vocab_size": DEC["vocab"], "model_parallel": 1, "tied_embeddings": True,
        "sliding_window": DEC["window"], "model_max_length": 131072,
        "multimodal": {"whisper_model_args": {
            "encoder_args": {
                "audio_encoding_args": {
                    "sampling_rate": SR, "frame_rate": 12.5, "num_mel_bins": N_MELS,
                    "hop_length": HOP, "window_size": WIN, "chunk_length_s": None,
                    "global_log_mel_max": LOG_MEL_MAX, "transcription_format": "streaming"},
                "dim": ENC["dim"], "n_layers": ENC["layers"], "head_dim": ENC["head_dim"],
                "hidden_dim": ENC["ffn"], "n_heads": ENC["heads"], "vocab_size": DEC["vocab"],
                "n_kv_heads": ENC["heads"], "use_biases": True, "use_cache": False,
                "rope_theta": THETA, "causal": True, "norm_eps": EPS, "pos_embed": "rope",
                "max_source_positions": None, "ffn_type": "swiglu", "norm_type": "rms_norm",
                "sliding_window": ENC["window"]},
            "downsample_args": {"downsample_factor": DOWNSAMPLE}}},
        "ada_rms_norm_t_cond": True, "ada_rms_norm_t_cond_dim": ADA_DIM,
    }


def published_style_config(cfg) -> dict:
    """config.json restricted to the keys that the published file contains."""
    audio_keys = ("activation_function", "attention_dropout", "head_dim", "hidden_act", "hidden_size",
                  "initializer_range", "intermediate_size", "max_position_embeddings", "model_type",
                  "num_attention_heads", "num_hidden_layers", "num_mel_bins", "rms_norm_eps",
                  "rope_parameters", "sliding_window", "vocab_size")
    text_keys = ("attention_dropout", "bos_token_id", "eos_token_id", "head_dim", "hidden_act", "hidden_size",
                 "initializer_range", "intermediate_size", "max_position_embeddings", "model_type",
                 "num_attention_heads", "num_hidden_layers", "num_key_value_heads", "pad_token_id",
                 "rms_norm_eps", "rope_parameters", "sliding_window", "tie_word_embeddings", "vocab_size")
    a, t = cfg.audio_config.to_dict(), cfg.text_config.to_dict()
    return {
        "architectures": ["VoxtralRealtimeForConditionalGeneration"],
        "audio_config": {k: a[k] for k in audio_keys} | {"num_key_value_heads": ENC["heads"]},
        "audio_length_per_tok": FRAMES_PER_TOKEN, "default_num_delay_tokens": 6,
        "downsample_factor": DOWNSAMPLE, "dtype": "bfloat16", "hidden_size": DEC["dim"],
        "model_type": "voxtral_realtime", "projector_hidden_act": "gelu",
        "text_config": {k: t[k] for k in text_keys},
    }


def build_hf_model(seed: int):
    from transformers import VoxtralRealtimeConfig, VoxtralRealtimeForConditionalGeneration

    cfg = VoxtralRealtimeConfig(
        audio_config=dict(
            model_type="voxtral_realtime_encoder",
            vocab_size=DEC["vocab"], hidden_size=ENC["dim"], intermediate_size=ENC["ffn"],
            num_hidden_layers=ENC["layers"], num_attention_heads=ENC["heads"], head_dim=ENC["head_dim"],
            num_mel_bins=N_MELS, rms_norm_eps=EPS, sliding_window=ENC["window"],
            hidden_act="silu", activation_function="gelu", max_position_embeddings=1500,
            rope_parameters={"rope_type": "default", "rope_theta": THETA},
        ),
        text_config=dict(
            model_type="voxtral_realtime_text",
            vocab_size=DEC["vocab"], hidden_size=DEC["dim"], intermediate_size=DEC["ffn"],
            num_hidden_layers=DEC["layers"], num_attention_heads=DEC["heads"],
            num_key_value_heads=DEC["kv_heads"], head_dim=DEC["head_dim"], rms_norm_eps=EPS,
            sliding_window=DEC["window"], hidden_act="silu", max_position_embeddings=131072,
            tie_word_embeddings=True, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=None,
            rope_parameters={"rope_type": "default", "rope_theta": THETA},
        ),
        projector_hidden_act="gelu", audio_length_per_tok=FRAMES_PER_TOKEN,
        default_num_delay_tokens=6, downsample_factor=DOWNSAMPLE, tie_word_embeddings=True,
    )
    cfg._attn_implementation = "eager"
    model = VoxtralRealtimeForConditionalGeneration(cfg).eval().float()
    gen = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        if name.endswith("norm.weight") or "layer_norm" in name or "layernorm" in name:
            v = 1.0 + 0.2 * torch.randn(p.shape, generator=gen)
        elif name.endswith(".bias"):
            v = 0.1 * torch.randn(p.shape, generator=gen)
        elif "embed_tokens" in name:
            v = 0.4 * torch.randn(p.shape, generator=gen)
        elif "embedder.conv" in name:  # strong stem: make the output depend on the audio
            v = 2.5 * torch.randn(p.shape, generator=gen) / math.sqrt(p[0].numel())
        elif "linear_2" in name:
            v = 2.5 * torch.randn(p.shape, generator=gen) / math.sqrt(p.shape[1])
        elif "ada_rms_norm" in name:
            v = 0.9 * torch.randn(p.shape, generator=gen) / math.sqrt(p.shape[1])
        elif "k_proj" in name or "q_proj" in name:
            v = 1.6 * torch.randn(p.shape, generator=gen) / math.sqrt(p.shape[1])
        else:
            fan_in = p[0].numel()
            v = 1.6 * torch.randn(p.shape, generator=gen) / math.sqrt(fan_in)
        p.copy_(v.to(torch.bfloat16).float())  # bf16-representable
    model.tie_weights()
    model.generation_config.bos_token_id = BOS
    model.generation_config.eos_token_id = EOS
    model.generation_config.pad_token_id = 11
    return model, cfg


# ----------------------------------------------------------------------------------------
# Weight layouts
# ----------------------------------------------------------------------------------------
def hf_published_state(model) -> dict[str, torch.Tensor]:
    """State dict under the names of the *published* model.safetensors (transformers 5.2 era).

    Newer transformers versions keep the modules under `model.` and rename at load time, e.g.
    model.language_model.layers.0.* <-> language_model.model.layers.0.*
    """
    out = {}
    for k, v in model.state_dict().items():
        if k == "lm_head.weight":
            continue  # tied with the embedding, not stored
        if k.startswith("model.language_model."):
            k = "language_model.model." + k[len("model.language_model."):]
        elif k.startswith("model."):
            k = k[len("model."):]
        out[k] = v.clone().to(torch.bfloat16).contiguous()
    return out


def rows_half_to_interleaved(w: torch.Tensor, n_heads: int, head_dim: int) -> torch.Tensor:
    """HF (split-half) -> Mistral (interleaved) row order; works for [H*D, in] and for [H*D]."""
    rest = w.shape[1:]
    return w.view(n_heads, 2, head_dim // 2, *rest).transpose(1, 2).reshape(w.shape).contiguous()


def hf_to_mistral(sd: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    mm = "mm_streams_embeddings.embedding_module."
    enc = mm + "whisper_encoder."
    out = {}

    def put(name, t):
        out[name] = t.contiguous()

    put(mm + "tok_embeddings.weight", sd["language_model.model.embed_tokens.weight"])
    put(mm + "audio_language_projection.0.weight", sd["multi_modal_projector.linear_1.weight"])
    put(mm + "audio_language_projection.2.weight", sd["multi_modal_projector.linear_2.weight"])
    for i in (0, 1):
        for p in ("weight", "bias"):
            put(f"{enc}conv_layers.{i}.conv.{p}", sd[f"audio_tower.embedder.conv{i + 1}.{p}"])
    put(enc + "transformer.norm.weight", sd["audio_tower.norm.weight"])
    h, d = ENC["heads"], ENC["head_dim"]
    for i in range(ENC["layers"]):
        s, t = f"audio_tower.layers.{i}.", f"{enc}transformer.layers.{i}."
        put(t + "attention.wq.weight", rows_half_to_interleaved(sd[s + "self_attn.q_proj.weight"], h, d))
        put(t + "attention.wq.bias", rows_half_to_interleaved(sd[s + "self_attn.q_proj.bias"], h, d))
        put(t + "attention.wk.weight", rows_half_to_interleaved(sd[s + "self_attn.k_proj.weight"], h, d))
        put(t + "attention.wv.weight", sd[s + "self_attn.v_proj.weight"])
        put(t + "attention.wv.bias", sd[s + "self_attn.v_proj.bias"])
        put(t + "attention.wo.weight", sd[s + "self_attn.o_proj.weight"])
        put(t + "attention.wo.bias", sd[s + "self_attn.o_proj.bias"])
        put(t + "attention_norm.weight", sd[s + "self_attn_layer_norm.weight"])
        put(t + "ffn_norm.weight", sd[s + "final_layer_norm.weight"])
        put(t + "feed_forward.w1.weight", sd[s + "mlp.gate_proj.weight"])
        put(t + "feed_forward.w2.weight", sd[s + "mlp.down_proj.weight"])
        put(t + "feed_forward.w2.bias", sd[s + "mlp.down_proj.bias"])
        put(t + "feed_forward.w3.weight", sd[s + "mlp.up_proj.weight"])
    put("norm.weight", sd["language_model.model.norm.weight"])
    h, kv, d = DEC["heads"], DEC["kv_heads"], DEC["head_dim"]
    for i in range(DEC["layers"]):
        s, t = f"language_model.model.layers.{i}.", f"layers.{i}."
        put(t + "attention.wq.weight", rows_half_to_interleaved(sd[s + "self_attn.q_proj.weight"], h, d))
        put(t + "attention.wk.weight", rows_half_to_interleaved(sd[s + "self_attn.k_proj.weight"], kv, d))
        put(t + "attention.wv.weight", sd[s + "self_attn.v_proj.weight"])
        put(t + "attention.wo.weight", sd[s + "self_attn.o_proj.weight"])
        put(t + "attention_norm.weight", sd[s + "input_layernorm.weight"])
        put(t + "ffn_norm.weight", sd[s + "post_attention_layernorm.weight"])
        put(t + "feed_forward.w1.weight", sd[s + "mlp.gate_proj.weight"])
        put(t + "feed_forward.w2.weight", sd[s + "mlp.down_proj.weight"])
        put(t + "feed_forward.w3.weight", sd[s + "mlp.up_proj.weight"])
        put(t + "ada_rms_norm_t_cond.0.weight", sd[s + "ada_rms_norm.linear1.weight"])
        put(t + "ada_rms_norm_t_cond.2.weight", sd[s + "ada_rms_norm.linear2.weight"])
    return out


# ----------------------------------------------------------------------------------------
# SpecModel: independent implementation of the specification (Mistral layout, f32)
# ----------------------------------------------------------------------------------------
def slaney_filterbank() -> np.ndarray:
    """[201, 128] float64 triangular filters, Slaney scale and Slaney area normalisation."""
    def to_mel(f):
        return 3.0 * f / 200.0 if f < 1000.0 else 15.0 + 27.0 * math.log(f / 1000.0) / math.log(6.4)

    def to_hz(m):
        return 200.0 * m / 3.0 if m < 15.0 else 1000.0 * math.exp((m - 15.0) * math.log(6.4) / 27.0)

    edges = [to_hz(to_mel(8000.0) * i / (N_MELS + 1)) for i in range(N_MELS + 2)]
    fb = np.zeros((WIN // 2 + 1, N_MELS))
    for m in range(N_MELS):
        lo, mid, hi = edges[m], edges[m + 1], edges[m + 2]
        for k in range(WIN // 2 + 1):
            f = 8000.0 * k / (WIN // 2)
            fb[k, m] = max(0.0, min((f - lo) / (mid - lo), (hi - f) / (hi - mid))) * 2.0 / (hi - lo)
    return fb


class MelStream:
    """Incremental log-mel on the absolute 160-sample grid of the left-padded signal."""

    def __init__(self):
        self.fb = torch.tensor(slaney_filterbank(), dtype=torch.float32)
        n = torch.arange(WIN, dtype=torch.float64)
        self.win = (0.5 - 0.5 * torch.cos(2 * math.pi * n / WIN)).float()
        # Frame t is centred at t*HOP: it needs samples [t*HOP-200, t*HOP+200).
        self.buf = torch.zeros(WIN // 2 + N_LEFT_PAD * SAMPLES_PER_TOKEN)  # 200 zeros = left reflection

    def push(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the newly complete frames as [T_new, 128]."""
        self.buf = torch.cat([self.buf, x])
        n_new = max(0, (len(self.buf) - WIN) // HOP + 1)
        if n_new == 0:
            return torch.zeros(0, N_MELS)
        frames = self.buf[: (n_new - 1) * HOP + WIN].unfold(0, WIN, HOP)
        self.buf = self.buf[n_new * HOP:]
        power = torch.fft.rfft(frames * self.win).abs() ** 2
        mel = power @ self.fb
        log = torch.log10(torch.clamp(mel, min=1e-10))
        return (torch.clamp(log, min=LOG_MEL_MAX - 8.0) + 4.0) / 4.0


def rms(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * w


def rope_interleaved(x: torch.Tensor, pos: torch.Tensor) -> torch.Tensor:
    """x: [T, H, D]; channel pairs (0,1), (2,3), ...; angles computed in float64."""
    d = x.shape[-1]
    inv = THETA ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    ang = pos.double()[:, None] * inv
    c, s = ang.cos().float()[:, None], ang.sin().float()[:, None]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2)


class RingKV:
    """Fixed-size ring holding the last `cap` keys/values and their absolute positions."""

    def __init__(self, cap: int, heads: int, dim: int):
        self.k = torch.zeros(cap, heads, dim)
        self.v = torch.zeros(cap, heads, dim)
        self.pos = torch.full((cap,), -1, dtype=torch.long)

    def write(self, k, v, pos):
        slot = pos % len(self.pos)
        self.k[slot], self.v[slot], self.pos[slot] = k, v, pos


def attend(q, ring: RingKV, qpos, window: int):
    """q: [T, Hq, D]; returns [T, Hq*D]. Key j visible to query i iff i-window < j <= i."""
    t, hq, d = q.shape
    rep = hq // ring.k.shape[1]
    k = ring.k.repeat_interleave(rep, 1)
    v = ring.v.repeat_interleave(rep, 1)
    score = torch.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    ok = (ring.pos >= 0) & (ring.pos <= qpos[:, None]) & (ring.pos > qpos[:, None] - window)
    score = score.masked_fill(~ok[None], float("-inf"))
    return torch.einsum("hts,shd->thd", score.softmax(-1), v).reshape(t, hq * d)


class SpecModel:
    def __init__(self, sd: dict[str, torch.Tensor]):
        self.w = {k: v.float() for k, v in sd.items()}
        self.emb = self.w["mm_streams_embeddings.embedding_module.tok_embeddings.weight"]

    def ada_scales(self, delay_tokens: int):
        half = DEC["dim"] // 2
        inv = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32) / half)
        t = torch.cat([(delay_tokens * inv).cos(), (delay_tokens * inv).sin()])
        scales = []
        for i in range(DEC["layers"]):
            w0, w2 = (self.w[f"layers.{i}.ada_rms_norm_t_cond.{j}.weight"] for j in (0, 2))
            scales.append(1.0 + F.gelu(t @ w0.T) @ w2.T)
        return t, torch.stack(scales)


class SpecStream:
    """One streaming session: push audio, receive token ids."""

    def __init__(self, m: SpecModel, delay_tokens: int = 6, ring_slack: int = 0):
        self.m, self.delay = m, delay_tokens
        _, self.scale = m.ada_scales(delay_tokens)
        self.mel = MelStream()
        self.mel_pending = torch.zeros(0, N_MELS)
        self.c1_tail = torch.zeros(2, N_MELS)  # last 2 mel frames
        self.c2_tail = torch.zeros(1, ENC["dim"])  # last 1 conv1 output
        cap = ENC["window"] + DOWNSAMPLE + ring_slack
        self.enc_kv = [RingKV(cap, ENC["heads"], ENC["head_dim"]) for _ in range(ENC["layers"])]
        self.dec_kv = [RingKV(DEC["window"] + ring_slack, DEC["kv_heads"], DEC["head_dim"]) for _ in range(DEC["layers"])]
        self.pos = 0  # next token position; encoder position = 4*pos
        self.prompt = [BOS] + [PAD_STREAM] * (N_LEFT_PAD + delay_tokens)
        self.next_id = None
        self.ids: list[int] = []  # generated ids
        self.trace: dict[str, list] = {k: [] for k in ("mel", "conv", "enc", "audio", "logits")}

    # -- encoder: exactly 8 mel frames -> 1 audio embedding --------------------------------
    def encode8(self, mel8: torch.Tensor) -> torch.Tensor:
        w, p = self.m.w, "mm_streams_embeddings.embedding_module.whisper_encoder."
        x = torch.cat([self.c1_tail, mel8])
        self.c1_tail = mel8[-2:]
        x = F.gelu(F.conv1d(x.T[None], w[p + "conv_layers.0.conv.weight"], w[p + "conv_layers.0.conv.bias"]))[0].T
        y = torch.cat([self.c2_tail, x])
        self.c2_tail = x[-1:]
        h = F.gelu(F.conv1d(y.T[None], w[p + "conv_layers.1.conv.weight"], w[p + "conv_layers.1.conv.bias"], stride=2))[0].T
        self.trace["conv"].append(h)
        pos = torch.arange(4) + 4 * self.pos
        nh, hd = ENC["heads"], ENC["head_dim"]
        for i in range(ENC["layers"]):
            q = f"{p}transformer.layers.{i}."
            x = rms(h, w[q + "attention_norm.weight"])
            qq = F.linear(x, w[q + "attention.wq.weight"], w[q + "attention.wq.bias"]).view(4, nh, hd)
            kk = F.linear(x, w[q + "attention.wk.weight"]).view(4, nh, hd)
            vv = F.linear(x, w[q + "attention.wv.weight"], w[q + "attention.wv.bias"]).view(4, nh, hd)
            self.enc_kv[i].write(rope_interleaved(kk, pos), vv, pos)
            a = attend(rope_interleaved(qq, pos), self.enc_kv[i], pos, ENC["window"])
            h = h + F.linear(a, w[q + "attention.wo.weight"], w[q + "attention.wo.bias"])
            x = rms(h, w[q + "ffn_norm.weight"])
            x = F.silu(x @ w[q + "feed_forward.w1.weight"].T) * (x @ w[q + "feed_forward.w3.weight"].T)
            h = h + F.linear(x, w[q + "feed_forward.w2.weight"], w[q + "feed_forward.w2.bias"])
        h = rms(h, w[p + "transformer.norm.weight"])
        self.trace["enc"].append(h)
        a = "mm_streams_embeddings.embedding_module.audio_language_projection."
        out = F.gelu(h.reshape(-1) @ w[a + "0.weight"].T) @ w[a + "2.weight"].T
        self.trace["audio"].append(out)
        return out

    # -- decoder: one position -------------------------------------------------------------
    def decode1(self, token: int, audio: torch.Tensor) -> torch.Tensor:
        w = self.m.w
        h = (self.m.emb[token] + audio)[None]
        pos = torch.tensor([self.pos])
        nh, nkv, hd = DEC["heads"], DEC["kv_heads"], DEC["head_dim"]
        for i in range(DEC["layers"]):
            q = f"layers.{i}."
            x = rms(h, w[q + "attention_norm.weight"])
            qq = (x @ w[q + "attention.wq.weight"].T).view(1, nh, hd)
            kk = (x @ w[q + "attention.wk.weight"].T).view(1, nkv, hd)
            vv = (x @ w[q + "attention.wv.weight"].T).view(1, nkv, hd)
            self.dec_kv[i].write(rope_interleaved(kk, pos), vv, pos)
            a = attend(rope_interleaved(qq, pos), self.dec_kv[i], pos, DEC["window"])
            h = h + a @ w[q + "attention.wo.weight"].T
            x = rms(h, w[q + "ffn_norm.weight"]) * self.scale[i]
            x = F.silu(x @ w[q + "feed_forward.w1.weight"].T) * (x @ w[q + "feed_forward.w3.weight"].T)
            h = h + x @ w[q + "feed_forward.w2.weight"].T
        return (rms(h, w["norm.weight"]) @ self.m.emb.T)[0]

    def push(self, samples: torch.Tensor) -> list[int]:
        new = self.mel.push(samples)
        self.trace["mel"].append(new)
        self.mel_pending = torch.cat([self.mel_pending, new])
        produced = []
        while len(self.mel_pending) >= FRAMES_PER_TOKEN:
            audio = self.encode8(self.mel_pending[:FRAMES_PER_TOKEN])
            self.mel_pending = self.mel_pending[FRAMES_PER_TOKEN:]
            tok = self.prompt[self.pos] if self.pos < len(self.prompt) else self.next_id
            logits = self.decode1(tok, audio)
            self.trace["logits"].append(logits)
            self.pos += 1
            if self.pos >= len(self.prompt):
                self.next_id = int(logits.argmax())
                self.ids.append(self.next_id)
                produced.append(self.next_id)
        return produced

    def finish(self, n_real_samples: int) -> list[int]:
        """Right padding: align to 1280, add (delay+1+10) tokens, plus the 40-sample STFT tail."""
        align = (-n_real_samples) % SAMPLES_PER_TOKEN
        n = align + (self.delay + 1 + RIGHT_BUFFER) * SAMPLES_PER_TOKEN + 40
        return self.push(torch.zeros(n))


# ----------------------------------------------------------------------------------------
# Reference runs with transformers
# ----------------------------------------------------------------------------------------
def set_delay(processor, ms: float):
    processor.mistral_common_audio_config.transcription_delay_ms = float(ms)


def hf_offline(model, processor, wav_f32, delay_tokens):
    set_delay(processor, 80 * delay_tokens)
    inputs = processor(wav_f32, return_tensors="pt")
    assert int(inputs["num_delay_tokens"]) == delay_tokens
    ids = model.generate(**inputs)[0]
    return inputs, ids


def hf_teacher_forced(model, input_ids, input_features, delay_tokens):
    """One full forward over the given ids with hooks on all interesting modules."""
    acts = {}
    hooks = []

    def grab(name):
        def fn(_m, _i, o):
            acts[name] = (o[0] if isinstance(o, tuple) else o).detach().clone()
        return fn

    at, lm = model.model.audio_tower, model.model.language_model
    hooks.append(at.embedder.register_forward_hook(grab("enc.conv_stem")))
    hooks.append(at.embedder.conv1.register_forward_hook(grab("enc.conv1_pre_gelu")))
    for i, layer in enumerate(at.layers):
        hooks.append(layer.register_forward_hook(grab(f"enc.layer{i}")))
    hooks.append(at.norm.register_forward_hook(grab("enc.out")))
    hooks.append(model.model.multi_modal_projector.register_forward_hook(grab("adapter.out")))
    hooks.append(model.model.time_embedding.register_forward_hook(grab("dec.t_cond")))
    for i, layer in enumerate(lm.layers):
        hooks.append(layer.ada_rms_norm.register_forward_hook(grab(f"dec.ada{i}")))
        hooks.append(layer.register_forward_hook(grab(f"dec.layer{i}")))
    hooks.append(lm.norm.register_forward_hook(grab("dec.norm")))
    out = model(input_ids=input_ids, input_features=input_features, num_delay_tokens=delay_tokens, use_cache=False)
    acts["dec.logits"] = out.logits
    for h in hooks:
        h.remove()
    return {k: v.squeeze(0) if v.dim() > 1 and v.shape[0] == 1 else v for k, v in acts.items()}


def hf_streaming(model, processor, wav_f32, delay_tokens):
    """transformers streaming API: generator of per-chunk mel features."""
    set_delay(processor, 80 * delay_tokens)
    right = processor.num_right_pad_tokens * SAMPLES_PER_TOKEN
    align = (-len(wav_f32)) % SAMPLES_PER_TOKEN
    # +160: the feature extractor always drops the last STFT frame of each chunk
    audio = np.concatenate([wav_f32, np.zeros(align + right + 400, np.float32)])
    first = processor(
        audio[: processor.num_samples_first_audio_chunk],
        is_streaming=True, is_first_audio_chunk=True, return_tensors="pt",
    )
    chunks = [first["input_features"]]
    frame = processor.num_mel_frames_first_audio_chunk
    start = frame * HOP - WIN // 2
    n_tokens = (len(wav_f32) + align + right) // SAMPLES_PER_TOKEN + N_LEFT_PAD
    while sum(c.shape[-1] for c in chunks) < n_tokens * FRAMES_PER_TOKEN:
        end = start + processor.num_samples_per_audio_chunk
        f = processor(audio[start:end], is_streaming=True, is_first_audio_chunk=False, return_tensors="pt")
        chunks.append(f["input_features"])
        start += SAMPLES_PER_TOKEN

    def gen():
        yield from chunks

    ids = model.generate(
        input_ids=first["input_ids"], input_features=gen(), num_delay_tokens=delay_tokens,
    )[0]
    return torch.cat([c[0] for c in chunks], -1), chunks, first["input_ids"], ids


def hf_streaming_steps(model, chunks, prompt_ids, forced_ids, delay_tokens):
    """Chunk-by-chunk forward with caches, teacher-forced; returns audio embeds and logits."""
    past = enc_past = pad_cache = None
    audio, logits = [], []
    tokens = torch.cat([prompt_ids[0], forced_ids])
    pos = 0
    for c in chunks:
        n = c.shape[-1] // FRAMES_PER_TOKEN
        out = model.model(
            input_ids=tokens[pos : pos + n][None], input_features=c, past_key_values=past,
            encoder_past_key_values=enc_past, padding_cache=pad_cache, use_cache=True,
            num_delay_tokens=delay_tokens,
        )
        past, enc_past, pad_cache = out.past_key_values, out.encoder_past_key_values, out.padding_cache
        audio.append(out.audio_hidden_states[0])
        logits.append(model.lm_head(out.last_hidden_state[0]))
        pos += n
        if pos >= len(tokens):
            break
    return torch.cat(audio), torch.cat(logits)


# ----------------------------------------------------------------------------------------
def draw_sizes(seed: int) -> None:
    """Other sizes: deeper, wider, other groups of heads and windows, none of them round."""
    rng = np.random.default_rng(seed)
    pick = lambda *choices: int(rng.choice(choices))
    ENC.update(dim=pick(40, 56, 72), layers=pick(2, 3, 4), heads=pick(2, 3, 5), head_dim=pick(12, 16, 32),
               ffn=pick(72, 100, 150), window=pick(9, 17, 30, 61))
    kv = pick(1, 2, 3)
    DEC.update(dim=pick(48, 66, 100), layers=pick(2, 3, 5), kv_heads=kv, heads=kv * pick(1, 2, 4),
               head_dim=pick(14, 24, 40), ffn=pick(90, 130), window=pick(13, 33, 70))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", help="directory to write")
    ap.add_argument("--seed", type=int, default=41, help="of the weights")
    ap.add_argument("--random", type=int, help="draw the sizes with this seed, and the weights")
    ap.add_argument("--check", action="store_true", help="run the tests on what was written")
    args = ap.parse_args()
    if args.random is not None:
        args.seed = args.random
        draw_sizes(args.random)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    from transformers import (
        MistralCommonBackend, VoxtralRealtimeFeatureExtractor, VoxtralRealtimeForConditionalGeneration,
        VoxtralRealtimeProcessor,
    )

    # --- fixtures -------------------------------------------------------------------------
    write_tekken(out / "tekken.json")
    (out / "params.json").write_text(json.dumps(params_json(), indent=1))
    model, cfg = build_hf_model(args.seed)
    hf_sd = hf_published_state(model)
    mi_sd = hf_to_mistral(hf_sd)
    save_file(hf_sd, str(out / "model.safetensors"), metadata={"format": "pt"})
    save_file(mi_sd, str(out / "consolidated.safetensors"))
    (out / "config.json").write_text(json.dumps(published_style_config(cfg), indent=1))
    (out / "generation_config.json").write_text(
        json.dumps({"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": 11}))

    # Reload through from_pretrained: proves that the published names are accepted.
    model = VoxtralRealtimeForConditionalGeneration.from_pretrained(
        str(out), dtype=torch.float32, attn_implementation="eager").eval()
    for k, v in hf_published_state(model).items():
        assert torch.equal(v, hf_sd[k]), k

    tok = MistralCommonBackend(tokenizer_path=str(out / "tekken.json"))
    fe = VoxtralRealtimeFeatureExtractor()
    processor = VoxtralRealtimeProcessor(fe, tok)

    pcm = make_waveform()
    wav = pcm.astype(np.float32) / 32768.0
    report: list[tuple[str, float]] = []

    def cmp(name, a, b):
        a, b = torch.as_tensor(a).float(), torch.as_tensor(b).float()
        assert a.shape == b.shape, (name, tuple(a.shape), tuple(b.shape))
        report.append((name, float((a - b).abs().max())))

    golden: dict[str, torch.Tensor] = {"audio.pcm_s16": torch.from_numpy(pcm)}
    golden["mel.filterbank"] = torch.from_numpy(np.asarray(fe.mel_filters)).float()
    cmp("mel filterbank: spec vs transformers", slaney_filterbank(), fe.mel_filters)

    # --- offline, default delay ----------------------------------------------------------
    spec = SpecModel(load_file(str(out / "consolidated.safetensors")))
    for delay in (6, 2, 30):
        tag = f"d{delay}"
        inputs, ids = hf_offline(model, processor, wav, delay)
        prompt = inputs["input_ids"][0]
        assert prompt.tolist() == [BOS] + [PAD_STREAM] * (N_LEFT_PAD + delay)
        mel = inputs["input_features"][0]
        n_tok = mel.shape[-1] // FRAMES_PER_TOKEN
        assert mel.shape[-1] % FRAMES_PER_TOKEN == 0
        assert len(ids) == n_tok, "transformers stops at ceil(mel_frames/8) tokens (or at EOS)"
        gen_ids = ids[len(prompt):]

        # streaming with transformers
        mel_s, chunks, prompt_s, ids_s = hf_streaming(model, processor, wav, delay)
        assert torch.equal(prompt_s[0], prompt)
        m = min(len(ids), len(ids_s))
        assert torch.equal(ids[:m], ids_s[:m]), "streaming ids differ from offline ids"
        report.append((f"{tag}: ids equal offline/streaming (count)", float(m - len(prompt))))
        cmp(f"{tag}: mel offline vs transformers streaming", mel, mel_s)

        # teacher-forced full forward (positions 0..N-1 all have an input token)
        acts = hf_teacher_forced(model, ids[None], inputs["input_features"], delay)
        a_s, l_s = hf_streaming_steps(model, chunks, prompt_s, gen_ids, delay)
        cmp(f"{tag}: adapter out offline vs transformers chunked", acts["adapter.out"], a_s)
        cmp(f"{tag}: logits offline vs transformers chunked", acts["dec.logits"], l_s)
        greedy = acts["dec.logits"][len(prompt) - 1 :].argmax(-1)
        assert torch.equal(greedy[:-1], gen_ids), "teacher-forced argmax must reproduce generate()"
        top2 = acts["dec.logits"][len(prompt) - 1 :].topk(2, -1).values
        report.append((f"{tag}: smallest greedy margin (logits)", float((top2[:, 0] - top2[:, 1]).min())))
        report.append((f"{tag}: distinct generated ids", float(len(set(gen_ids.tolist())))))

        # independent spec implementation, odd-sized chunks, ring caches
        st = SpecStream(spec, delay)
        x = torch.from_numpy(wav)
        sizes, i, j = [1, 137, 1280, 999, 4096, 40, 3001], 0, 0
        while i < len(x):
            st.push(x[i : i + sizes[j % len(sizes)]])
            i += sizes[j % len(sizes)]
            j += 1
        st.finish(len(x))
        assert st.ids[:-1] == gen_ids.tolist(), "spec ids differ"
        golden_next = st.ids[-1]  # the token after the last audio position (not emitted by transformers)
        assert golden_next == int(greedy[-1])
        cmp(f"{tag}: mel spec incremental vs transformers", torch.cat(st.trace["mel"])[: mel.shape[-1]].T, mel)
        cmp(f"{tag}: conv stem spec vs transformers", torch.cat(st.trace["conv"]), acts["enc.conv_stem"])
        cmp(f"{tag}: encoder out spec vs transformers", torch.cat(st.trace["enc"]), acts["enc.out"])
        cmp(f"{tag}: adapter out spec vs transformers", torch.stack(st.trace["audio"]), acts["adapter.out"])
        cmp(f"{tag}: logits spec vs transformers", torch.stack(st.trace["logits"]), acts["dec.logits"])
        t_cond, scale = spec.ada_scales(delay)
        cmp(f"{tag}: t_cond spec vs transformers", t_cond, acts["dec.t_cond"])
        cmp(f"{tag}: ada scale spec vs transformers", scale, 1 + torch.stack([acts[f"dec.ada{i}"].reshape(-1) for i in range(DEC["layers"])]))

        golden[f"{tag}.prompt_ids"] = prompt.to(torch.int32)
        golden[f"{tag}.generated_ids"] = torch.tensor(st.ids, dtype=torch.int32)
        golden[f"{tag}.t_cond"] = acts["dec.t_cond"]
        golden[f"{tag}.ada_scale"] = scale
        if delay == 6:
            golden["mel.offline"] = mel.contiguous()
            golden["enc.conv1_out"] = F.gelu(acts["enc.conv1_pre_gelu"]).T[:64].contiguous()  # first 64 frames
            layers = [f"enc.layer{i}" for i in range(ENC["layers"])] + [f"dec.layer{i}" for i in range(DEC["layers"])]
            for k in ["enc.conv_stem", "enc.out", "adapter.out", "dec.norm"] + layers:
                golden[k] = acts[k].contiguous()
            golden["dec.logits_last49"] = acts["dec.logits"][len(prompt) - 1 :].contiguous()
            golden["dec.inputs_embeds"] = (spec.emb[ids] + acts["adapter.out"]).contiguous()
        else:
            golden[f"{tag}.logits_first_generated"] = acts["dec.logits"][len(prompt) - 1].contiguous()

    # --- text assembly --------------------------------------------------------------------
    demo = [PAD_STREAM, PAD_STREAM, WORD_STREAM, 1275, PAD_STREAM, WORD_STREAM, 1276, 1273, WORD_STREAM,
            1269, PAD_STREAM, WORD_STREAM, 1032, 1000 + 0xE2, 1000 + 0x82, 1000 + 0xAC, PAD_STREAM, EOS]
    text = tok.decode(demo, skip_special_tokens=True)
    meta = {
        "transformers": __import__("transformers").__version__, "torch": torch.__version__,
        "mistral_common": __import__("mistral_common").__version__, "seed": args.seed,
        "tiny_encoder": ENC, "tiny_decoder": DEC,
        "decode_demo_ids": demo, "decode_demo_text": text,
        "notes": "golden tensors are float32 unless the name ends with ids/pcm_s16; generated_ids has one more "
                 "entry than transformers emits: the last entry is predicted from the last audio position",
    }
    (out / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False))
    save_file({k: v.contiguous() for k, v in golden.items()}, str(out / "golden.safetensors"))

    width = max(len(n) for n, _ in report)
    lines = [f"{n:<{width}}  {v:.3e}" for n, v in report]
    (out / "report.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    print("decode demo:", repr(text))
    total = sum(f.stat().st_size for f in out.iterdir())
    print(f"{len(golden)} golden tensors, directory size {total / 2**20:.2f} MiB -> {out}")
    if args.check:
        root = Path(__file__).resolve().parents[2]
        env = os.environ | {"VOICED_GOLDEN_ASR": str(out.resolve())}
        command = ["cargo", "test", "-p", "voiced-asr", "--test", "golden"]
        sys.exit(subprocess.run(command, cwd=root, env=env).returncode)


if __name__ == "__main__":
    main()
