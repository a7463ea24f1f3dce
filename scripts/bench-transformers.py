"""Times transformers' Voxtral Realtime on CPU in bf16; run by scripts/bench-peers with the Python given to it.

Prints one JSON object: milliseconds of the encoder with projector over ten seconds at once and for 80 ms
streamed, of a prompt of 38 positions, and of a token. Needs torch, transformers and safetensors.
"""
import json
import re
import statistics
import sys
import time

import torch
import transformers
from safetensors import safe_open
from transformers import DynamicCache, VoxtralRealtimeConfig, VoxtralRealtimeForConditionalGeneration

directory, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)

EMBEDDING = "mm_streams_embeddings.embedding_module."
# From transformers' names to those of the published file, in order.
RENAMED = [
    (r"^model\.", ""),
    (r"self_attn\.([qkvo])_proj", r"attention.w\1"),
    (r"mlp\.gate_proj", "feed_forward.w1"),
    (r"mlp\.up_proj", "feed_forward.w3"),
    (r"mlp\.down_proj", "feed_forward.w2"),
    (r"self_attn_layer_norm|input_layernorm", "attention_norm"),
    (r"final_layer_norm|post_attention_layernorm", "ffn_norm"),
    (r"ada_rms_norm\.linear1", "ada_rms_norm_t_cond.0"),
    (r"ada_rms_norm\.linear2", "ada_rms_norm_t_cond.2"),
    (r"audio_tower\.embedder\.conv1", EMBEDDING + "whisper_encoder.conv_layers.0.conv"),
    (r"audio_tower\.embedder\.conv2", EMBEDDING + "whisper_encoder.conv_layers.1.conv"),
    (r"audio_tower\.layers", EMBEDDING + "whisper_encoder.transformer.layers"),
    (r"audio_tower\.norm", EMBEDDING + "whisper_encoder.transformer.norm"),
    (r"multi_modal_projector\.linear_1", EMBEDDING + "audio_language_projection.0"),
    (r"multi_modal_projector\.linear_2", EMBEDDING + "audio_language_projection.2"),
    (r"language_model\.embed_tokens", EMBEDDING + "tok_embeddings"),
    (r"language_model\.", ""),
]


def published(name):
    for pattern, to in RENAMED:
        name = re.sub(pattern, to, name)
    return name


def load():
    config = VoxtralRealtimeConfig()
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        model = VoxtralRealtimeForConditionalGeneration(config)
    model.eval()
    with safe_open(f"{directory}/consolidated.safetensors", "pt") as file:
        names = [n for n, _ in model.named_parameters() if not n.endswith("lm_head.weight")]
        weights = {n: file.get_tensor(published(n)).to(torch.bfloat16) for n in names}
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    # Tables that are computed and not loaded were left without values.
    for module in model.modules():
        for name, table in list(module._buffers.items()):
            if table is None or not table.is_meta:
                continue
            if "Rotary" in type(module).__name__:
                fresh = type(module)(module.config)._buffers
                module._buffers[name] = fresh.get(name, fresh["inv_freq"]).clone()
            else:
                count = table.shape[0]
                rates = torch.arange(count).float() / count
                module._buffers[name] = torch.exp(-9.210340371976184 * rates)
    assert not any(t.is_meta for t in [*model.parameters(), *model.buffers()])
    return config, model


def timed(body):
    start = time.perf_counter()
    result = body()
    return (time.perf_counter() - start) * 1e3, result


def median(body, count):
    body()
    return statistics.median(timed(body)[0] for _ in range(count))


@torch.no_grad()
def main():
    config, model = load()
    features = torch.randn(1, 128, 1000, dtype=torch.bfloat16)
    audio = lambda x, **more: model.model.get_audio_features(input_features=x, return_dict=True, **more)
    found = {"transformers": transformers.__version__, "torch": torch.__version__}
    found["encoder_ms"] = median(lambda: audio(features), runs) / 125
    before = audio(features[:, :, :200], use_cache=True)
    steps = []
    for _ in range(2 * runs):
        some = torch.randn(1, 128, 8, dtype=torch.bfloat16)
        caches = {"past_key_values": before.past_key_values, "padding_cache": before.padding_cache}
        took, before = timed(lambda: audio(some, use_cache=True, **caches))
        steps.append(took)
    found["encoder_streamed_ms"] = statistics.median(steps)
    told = model.model.time_embedding(torch.full((1,), 6.0))[None].to(torch.bfloat16)
    decoder = model.model.language_model

    def read(count, cache):
        x = torch.randn(1, count, 3072, dtype=torch.bfloat16)
        more = {"past_key_values": cache, "use_cache": True, "t_cond": told}
        return decoder(inputs_embeds=x, **more).last_hidden_state

    found["prompt_ms"] = median(lambda: read(38, DynamicCache(config=config.text_config)), 2)
    cache = DynamicCache(config=config.text_config)
    read(38, cache)
    tokens = [timed(lambda: int(model.lm_head(read(1, cache)[:, -1]).argmax()))[0] for _ in range(3 * runs)]
    found["token_ms"] = statistics.median(tokens)
    print(json.dumps(found))


main()
