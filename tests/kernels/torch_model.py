"""The same model in PyTorch: the peer that gradients and speed are compared with, in fp32 or with bf16 parameters.

Pre-norm RMSNorm, RoPE with pairs half a head apart, causal grouped-query attention, SwiGLU, no biases; q, k, v
and gate, up as one matrix each, as a fast PyTorch program has them.
"""
import inspect
import math

import torch
import torch.nn.functional as F
from torch import nn

try:  # since 2.10; its arguments have changed since
    from torch.nn.attention.varlen import varlen_attn
    CAUSAL = {"is_causal": True} if "is_causal" in inspect.signature(varlen_attn).parameters else {"window_size": (-1, 0)}
except ImportError:
    varlen_attn = None

EPS, THETA = 1e-5, 10000.0


class Block(nn.Module):
    def __init__(self, width, heads, kv_heads, head_dim, ffn):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.norm1, self.norm2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)

    def forward(self, x, cos, sin, mask, bounds):
        rows, seq_len, width = x.shape
        h = self.qkv(F.rms_norm(x, (width,), self.norm1, EPS)).view(rows, seq_len, -1, self.head_dim)
        q, k, v = h.split((self.heads, self.kv_heads, self.kv_heads), 2)
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        shared = self.heads // self.kv_heads
        if bounds is None:
            q, k, v = (t.transpose(1, 2) for t in (q, k, v))
            if mask is not None and shared > 1:  # no fused kernel takes both a mask and shared heads
                k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None,
                                               enable_gqa=mask is None and shared > 1).transpose(1, 2)
        else:
            y = by_segment(*(t.reshape(rows * seq_len, -1, self.head_dim) for t in (q, k, v)), bounds, seq_len)
        x = x + self.out(y.reshape(rows, seq_len, -1))
        gate, up = self.gate_up(F.rms_norm(x, (width,), self.norm2, EPS)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def rope(x, cos, sin):
    """In fp32, as cos and sin are; the result in x's own type."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).type_as(x)


def by_segment(q, k, v, bounds, longest):
    """Causal attention inside segments [bounds[i], bounds[i + 1]) of all tokens one after the other: PyTorch's kernel for
    sequences of varied lengths, which does no work between two segments."""
    if k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // k.shape[1], 1) for t in (k, v))
    return varlen_attn(q, k, v, bounds, bounds, longest, longest, **CAUSAL)


class Model(nn.Module):
    def __init__(self, layers, width, heads, kv_heads, head_dim, ffn, vocab, untied, seq_len):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, kv_heads, head_dim, ffn) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(width))
        self.head = nn.Linear(width, vocab, bias=False) if untied else None
        angle = torch.outer(torch.arange(seq_len).double(),
                            THETA ** (-torch.arange(0, head_dim, 2).double() / head_dim))
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * layers) if residual else 1))

    def forward(self, tokens, targets, first=None, bounds=None, divisor=None):
        """Loss, the mean over targets (-100: none), or their sum over divisor: a micro-batch's share of a step.
        first [rows, seq_len]: where each token's segment begins. bounds: the same as the starts of all segments of the
        flattened rows, ended by the number of tokens, which may stand there more than once: attention goes by these, on a
        GPU, in place of a mask."""
        seq_len, mask = tokens.shape[1], None
        cos, sin = self.cos[:seq_len, None], self.sin[:seq_len, None]
        if first is not None:
            at = torch.arange(seq_len, device=first.device)
            cos, sin = self.cos[at - first][:, :, None], self.sin[at - first][:, :, None]
        if first is not None and bounds is None:
            mask = ((at[None, None] <= at[None, :, None]) & (at[None, None] >= first[:, :, None]))[:, None]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, cos, sin, mask, bounds)
        head = self.embed.weight if self.head is None else self.head.weight
        logits = F.linear(F.rms_norm(x, x.shape[-1:], self.norm, EPS), head)
        logits = logits.float() if logits.dtype == torch.bfloat16 else logits
        logits, targets = logits.view(-1, logits.shape[-1]), targets.reshape(-1)
        if divisor is None:
            return F.cross_entropy(logits, targets)
        return F.cross_entropy(logits, targets, reduction="sum") / divisor

    def optimizer(self, lr, eps=1e-8):
        matrices = [p for p in self.parameters() if p.dim() > 1]
        gains = [p for p in self.parameters() if p.dim() < 2]
        return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}],
                                 lr=lr, betas=(0.9, 0.95), eps=eps, fused=True)

    def slices(self):
        """(name in Hugging Face's LlamaForCausalLM, parameter, its rows) in no special order."""
        yield "model.embed_tokens.weight", self.embed.weight, slice(None)
        for i, b in enumerate(self.blocks):
            at = f"model.layers.{i}."
            q, kv, ffn = b.heads * b.head_dim, b.kv_heads * b.head_dim, b.down.weight.shape[1]
            yield at + "input_layernorm.weight", b.norm1, slice(None)
            yield at + "self_attn.q_proj.weight", b.qkv.weight, slice(0, q)
            yield at + "self_attn.k_proj.weight", b.qkv.weight, slice(q, q + kv)
            yield at + "self_attn.v_proj.weight", b.qkv.weight, slice(q + kv, None)
            yield at + "self_attn.o_proj.weight", b.out.weight, slice(None)
            yield at + "post_attention_layernorm.weight", b.norm2, slice(None)
            yield at + "mlp.gate_proj.weight", b.gate_up.weight, slice(0, ffn)
            yield at + "mlp.up_proj.weight", b.gate_up.weight, slice(ffn, None)
            yield at + "mlp.down_proj.weight", b.down.weight, slice(None)
        yield "model.norm.weight", self.norm, slice(None)
        if self.head is not None:
            yield "lm_head.weight", self.head.weight, slice(None)
