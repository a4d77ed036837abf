"""A training step in PyTorch as a fast program does it: the peer of scripts/bench-train and scripts/compare-run.

Weights, activations and gradients are bf16; masters and moments fp32 with fused AdamW on the masters; the norm is clipped to
1 over all gradients at once; attention is whatever PyTorch chooses. mode: eager; compile, which is torch.compile of the
model; graph, which replays the whole step of the compiled model, optimizer and all, as one CUDA graph.
"""
import gc

import torch
from torch import nn


class Training:
    def __init__(self, model, rows, seq_len, mode, lr, segments=False, bounds=0, dtype=torch.bfloat16):
        """model: with the weights to begin with, in fp32; lr: a number, or a tensor beside the weights that may change;
        bounds: that many bounds of segments (torch_model.py) stand beside a batch; dtype: of all but masters and moments."""
        device = next(model.parameters()).device
        self.weights = list(model.parameters())
        self.masters = [w.detach().clone() for w in self.weights]
        for w in self.weights:
            w.data = w.data.to(dtype, copy=True)
        for m in self.masters:
            m.grad = torch.zeros_like(m)
        self.adamw = torch.optim.AdamW(
            [{"params": [m for m in self.masters if m.dim() > 1], "weight_decay": 0.1},
             {"params": [m for m in self.masters if m.dim() < 2], "weight_decay": 0.0}],
            lr=lr, betas=(0.9, 0.95), eps=1e-8, fused=True, capturable=device.type == "cuda")
        # tokens, targets and, with segments, where each token's begins
        self.batch = torch.zeros(3 if segments else 2, rows, seq_len, dtype=torch.long, device=device)
        self.bounds = torch.zeros(bounds, dtype=torch.int32, device=device) if bounds else None
        self.loss, self.graph = None, None
        self.forward = model if mode == "eager" else torch.compile(model, dynamic=False)
        if mode == "graph":
            self.capture()

    def body(self):
        for w in self.weights:
            w.grad = None
        loss = self.forward(*self.batch) if self.bounds is None else self.forward(*self.batch, self.bounds)
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
        torch._foreach_copy_([m.grad for m in self.masters], [w.grad for w in self.weights])
        self.adamw.step()
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.masters)
        return loss.detach()

    def capture(self):
        """Compiles and warms up on a stream of its own, as captures demand, then records one step. Leaves no trace in the
        model's state."""
        kept = [m.detach().clone() for m in self.masters]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.body()
        torch.cuda.current_stream().wait_stream(stream)
        for w in self.weights:
            w.grad = None
        gc.collect()
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.loss = self.body()
        self.graph = graph
        with torch.no_grad():
            torch._foreach_copy_(self.masters, kept)
            torch._foreach_copy_(self.weights, kept)
            for state in self.adamw.state.values():
                for value in state.values():
                    value.zero_()

    def step(self):
        """Trains on what stands in batch; its loss is in self.loss until the next."""
        if self.graph:
            self.graph.replay()
        else:
            self.loss = self.body()
