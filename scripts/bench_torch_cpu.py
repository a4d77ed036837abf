#!/usr/bin/env python3
"""The peer of scripts/bench-cpu: a training step of the same model in PyTorch, fp32, eager, on the CPU.

Reads a line on standard input for each measurement (the number of steps to run) and answers with the
seconds that they took, so that a driver can alternate it with another program.

  bench_torch_cpu.py LAYERS WIDTH HEADS KV_HEADS HEAD_DIM FFN VOCAB ROWS SEQ_LEN THREADS
"""
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

EPS, THETA = 1e-5, 10000.0


def rope(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block(nn.Module):
    def __init__(self, width, heads, kv_heads, head_dim, ffn):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.norm1, self.norm2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)

    def forward(self, x, cos, sin):
        b, t, w = x.shape
        h = self.qkv(F.rms_norm(x, (w,), self.norm1, EPS)).view(b, t, -1, self.head_dim)
        q, k, v = h.split((self.heads, self.kv_heads, self.kv_heads), 2)
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                           is_causal=True, enable_gqa=self.heads != self.kv_heads)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, -1))
        gate, up = self.gate_up(F.rms_norm(x, (w,), self.norm2, EPS)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, layers, width, heads, kv_heads, head_dim, ffn, vocab, seq_len):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, kv_heads, head_dim, ffn) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(width))
        angle = torch.outer(torch.arange(seq_len).float(),
                            THETA ** (-torch.arange(0, head_dim, 2).float() / head_dim))
        self.register_buffer("cos", angle.cos()[:, None], persistent=False)
        self.register_buffer("sin", angle.sin()[:, None], persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * layers) if residual else 1))

    def forward(self, x, y):
        h = self.embed(x)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        logits = F.linear(F.rms_norm(h, h.shape[-1:], self.norm, EPS), self.embed.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1))


def main():
    *shape, vocab, rows, seq_len, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Model(*shape, vocab, seq_len)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() < 2]
    adamw = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                               {"params": gains, "weight_decay": 0.0}],
                              lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)
    x, y = torch.randint(vocab, (rows, seq_len)), torch.randint(vocab, (rows, seq_len))
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            adamw.zero_grad()
            loss = model(x, y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adamw.step()
        print(time.perf_counter() - start, float(loss), flush=True)


if __name__ == "__main__":
    main()
