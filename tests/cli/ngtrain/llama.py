#!/usr/bin/env python3
"""llama.py DIR <IDS: the mean loss of one document under the model that `ngtrain export` wrote to DIR.

An independent reading of what LlamaForCausalLM computes from config.json and model.safetensors, in
plain Python and double precision: it shares nothing with the project's own kernels.
"""
import array
import json
import math
import operator
import struct
import sys


def load(folder):
    with open(f"{folder}/config.json") as f:
        config = json.load(f)
    with open(f"{folder}/model.safetensors", "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    tensors = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "F32"
        begin, end = t["data_offsets"]
        flat = array.array("f", data[begin:end])
        if len(t["shape"]) == 1:
            tensors[name] = list(flat)
        else:
            rows, cols = t["shape"]
            tensors[name] = [list(flat[r * cols:(r + 1) * cols]) for r in range(rows)]
    return config, tensors


def dot(a, b):
    return sum(map(operator.mul, a, b))


def matmul(weight, x):
    return [dot(row, x) for row in weight]


def rms_norm(x, gain, eps):
    scale = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * scale * g for v, g in zip(x, gain)]


def rotate(x, position, theta):
    half = len(x) // 2
    out = [0.0] * len(x)
    for i in range(half):
        angle = position * theta ** (-2 * i / len(x))
        c, s = math.cos(angle), math.sin(angle)
        out[i] = x[i] * c - x[i + half] * s
        out[i + half] = x[i + half] * c + x[i] * s
    return out


def split(x, size):
    return [x[i:i + size] for i in range(0, len(x), size)]


def forward(config, w, ids):
    eps, theta, dim = config["rms_norm_eps"], config["rope_theta"], config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    hidden = [list(w["model.embed_tokens.weight"][i]) for i in ids]
    for layer in range(config["num_hidden_layers"]):
        def get(name):
            return w[f"model.layers.{layer}.{name}.weight"]
        keys, values = [], []
        for position, x in enumerate(hidden):
            n = rms_norm(x, get("input_layernorm"), eps)
            q = [rotate(h, position, theta) for h in split(matmul(get("self_attn.q_proj"), n), dim)]
            keys.append([rotate(h, position, theta) for h in split(matmul(get("self_attn.k_proj"), n), dim)])
            values.append(split(matmul(get("self_attn.v_proj"), n), dim))
            mixed = []
            for h in range(heads):
                g = h * kv_heads // heads
                scores = [dot(q[h], k[g]) / math.sqrt(dim) for k in keys]
                top = max(scores)
                p = [math.exp(s - top) for s in scores]
                total = sum(p)
                mixed += [dot(p, [v[g][j] for v in values]) / total for j in range(dim)]
            x = list(map(operator.add, x, matmul(get("self_attn.o_proj"), mixed)))
            n = rms_norm(x, get("post_attention_layernorm"), eps)
            gate, up = matmul(get("mlp.gate_proj"), n), matmul(get("mlp.up_proj"), n)
            act = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)]
            hidden[position] = list(map(operator.add, x, matmul(get("mlp.down_proj"), act)))
    head = w["model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
    for x in hidden:
        yield matmul(head, rms_norm(x, w["model.norm.weight"], eps))


def main():
    config, tensors = load(sys.argv[1])
    ids = [int(i) for i in sys.stdin.readline().split()]
    nll = 0.0
    for logits, target in zip(forward(config, tensors, ids[:-1]), ids[1:]):
        top = max(logits)
        nll += top + math.log(sum(math.exp(v - top) for v in logits)) - logits[target]
    print(nll / (len(ids) - 1))


main()
