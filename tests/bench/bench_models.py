"""The time and memory of a training step, ours against the same model written three other ways.

    python tests/bench/bench_models.py              liltown 8 x 256 and lillm-39m 1 x 512, on one thread
    python tests/bench/bench_models.py --full       lillm-39m 8 x 512 too
    python tests/bench/bench_models.py --device cuda [--compile]     bfloat16 autocast
    python tests/bench/bench_models.py --profile lillm-39m           where the time of ours goes

A step is forward, backward and torch's fused AdamW, the same for all. The others:
    plain          LilLM's own choices as one would write them down: three projections, RMSNorm and RoPE as formulas
    nanogpt        what nanoGPT does: LayerNorm, learned positions, every head its own keys, GELU; d_ff such that the
                   FLOPs of a step are LilLM's
    transformers   LlamaForCausalLM of the same shape, with scaled_dot_product_attention
Models take turns, and a ratio is the median over rounds of one round's times: what disturbs the machine disturbs all.
On the CPU it is the time of the one thread, without that in which others had the core.
``plain`` and ``transformers`` begin with our weights and must give our loss. Memory is the peak of a process of its own
above what it took before the model, so weights, gradients and the optimizer's state are in it.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lilllm.accounting import flops
from lilllm.models import Decoder, ModelConfig, preset

KINDS = ("lilllm", "plain", "nanogpt", "transformers")
AIMS = {"plain": 1.0, "nanogpt": 1.0, "transformers": 1.1}  # tokens a second, ours over theirs


class PlainNorm(nn.Module):
    def __init__(self, d: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight


class PlainBlock(nn.Module):
    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.c, C, D = c, c.d_model, c.d_head
        self.norm1, self.norm2 = PlainNorm(C, c.norm_eps), PlainNorm(C, c.norm_eps)
        self.q = nn.Linear(C, c.n_heads * D, bias=False)
        self.k = nn.Linear(C, c.n_kv_heads * D, bias=False)
        self.v = nn.Linear(C, c.n_kv_heads * D, bias=False)
        self.o = nn.Linear(c.n_heads * D, C, bias=False)
        self.gate, self.up = nn.Linear(C, c.d_ff, bias=False), nn.Linear(C, c.d_ff, bias=False)
        self.down = nn.Linear(c.d_ff, C, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, _ = x.shape
        y = self.norm1(x)
        q, k, v = (w(y).view(B, T, -1, self.c.d_head).transpose(1, 2) for w in (self.q, self.k, self.v))
        q, k = turned(q, cos, sin), turned(k, cos, sin)
        group = self.c.n_heads // self.c.n_kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(B, T, -1))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Plain(nn.Module):
    """LilLM without lilllm."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(c.vocab_size, c.d_model)
        self.blocks = nn.ModuleList(PlainBlock(c) for _ in range(c.n_layers))
        self.norm = PlainNorm(c.d_model, c.norm_eps)
        rates = c.rope_theta ** (-torch.arange(0, c.d_head, 2).float() / c.d_head)
        turns = torch.outer(torch.arange(c.context_len).float(), rates).repeat(1, 2)
        self.register_buffer("cos", turns.cos(), persistent=False)
        self.register_buffer("sin", turns.sin(), persistent=False)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x, T = self.embed(tokens), tokens.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:T].to(x.dtype), self.sin[:T].to(x.dtype))
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def take(self, model: Decoder, c: ModelConfig) -> None:
        rows = [c.n_heads * c.d_head, c.n_kv_heads * c.d_head, c.n_kv_heads * c.d_head]
        weights = {"embed.weight": model.embed.weight, "norm.weight": model.norm.weight}
        for i, block in enumerate(model.blocks):
            parts: dict[str, Any] = dict(zip("qkv", block.attention.qkv.weight.split(rows), strict=True))
            parts |= {"o": block.attention.out.weight, "gate": block.ffn.gate.weight, "up": block.ffn.up.weight}
            parts |= {"down": block.ffn.down.weight, "norm1": block.norm1.weight, "norm2": block.norm2.weight}
            weights |= {f"blocks.{i}.{name}.weight": value for name, value in parts.items()}
        self.load_state_dict(weights)


class NanoBlock(nn.Module):
    def __init__(self, C: int, n_heads: int, d_ff: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.c_attn, self.c_proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.c_fc, self.c_out = nn.Linear(C, d_ff), nn.Linear(d_ff, C)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q, k, v = (y.view(B, T, self.n_heads, -1).transpose(1, 2) for y in self.c_attn(self.ln_1(x)).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class Nano(nn.Module):
    """The shape of nanoGPT's model, with as many FLOPs as LilLM: its extra keys and values are taken off d_ff."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        extra = 2 * (c.n_heads - c.n_kv_heads) * c.d_head  # columns of keys and values that LilLM shares
        d_ff = (3 * c.d_ff - extra) // 2
        self.wte, self.wpe = nn.Embedding(c.vocab_size, c.d_model), nn.Embedding(c.context_len, c.d_model)
        self.h = nn.ModuleList(NanoBlock(c.d_model, c.n_heads, d_ff) for _ in range(c.n_layers))
        self.ln_f = nn.LayerNorm(c.d_model)
        self.lm_head = nn.Linear(c.d_model, c.vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)


class Llama(nn.Module):
    """transformers' own; it shifts labels itself, or takes them shifted."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=c.vocab_size,
            hidden_size=c.d_model,
            intermediate_size=c.d_ff,
            num_hidden_layers=c.n_layers,
            num_attention_heads=c.n_heads,
            num_key_value_heads=c.n_kv_heads,
            max_position_embeddings=c.context_len,
            rms_norm_eps=c.norm_eps,
            tie_word_embeddings=c.tied,
            use_cache=False,
            attn_implementation="sdpa",
        )
        self.model = LlamaForCausalLM(config)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return self.model(input_ids=tokens, labels=targets, shift_labels=targets).loss

    def take(self, model: Decoder, c: ModelConfig) -> None:
        rows = [c.n_heads * c.d_head, c.n_kv_heads * c.d_head, c.n_kv_heads * c.d_head]
        inner: Any = self.model.model
        with torch.no_grad():
            inner.embed_tokens.weight.copy_(model.embed.weight)
            for theirs, ours in zip(inner.layers, model.blocks, strict=True):
                q, k, v = ours.attention.qkv.weight.split(rows)
                pairs = [(theirs.self_attn.q_proj, q), (theirs.self_attn.k_proj, k), (theirs.self_attn.v_proj, v)]
                pairs += [(theirs.self_attn.o_proj, ours.attention.out.weight)]
                pairs += [
                    (getattr(theirs.mlp, f"{n}_proj"), getattr(ours.ffn, n).weight) for n in ("gate", "up", "down")
                ]
                for layer, weight in pairs:
                    layer.weight.copy_(weight)


class Ours(nn.Module):
    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.model = Decoder(c, generator=torch.Generator().manual_seed(0))

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return self.model.loss(tokens, targets)


class Run:
    """A model in training on one batch."""

    def __init__(self, kind: str, config: ModelConfig, batch: tuple[int, int], device: str, compiled: bool) -> None:
        torch.manual_seed(0)
        made = {"lilllm": Ours, "plain": Plain, "nanogpt": Nano, "transformers": Llama}[kind](config)
        if isinstance(made, Plain | Llama):
            made.take(Decoder(config, generator=torch.Generator().manual_seed(0)), config)
        self.model = made.to(device).train()
        self.device, self.cuda = device, device.startswith("cuda")
        tokens = torch.randint(config.vocab_size, (batch[0], batch[1] + 1), generator=torch.Generator().manual_seed(1))
        self.tokens, self.targets = tokens[:, :-1].to(device), tokens[:, 1:].contiguous().to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.call = torch.compile(self.model) if compiled else self.model

    def step(self) -> float:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.cuda):
            loss = self.call(self.tokens, self.targets)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()  # waits for the device

    def timed(self) -> float:
        clock = time.perf_counter if self.cuda else time.process_time
        start = clock()
        self.step()
        if self.cuda:
            torch.cuda.synchronize()
        return clock() - start


def table(name: str, batch: tuple[int, int], rounds: int, options: argparse.Namespace) -> None:
    config = preset(name)
    compiled = " compiled" if options.compile else ""
    print(f"{name}, {batch[0]} x {batch[1]}, {options.device}{compiled}, {rounds} rounds", flush=True)
    runs = {kind: Run(kind, config, batch, options.device, options.compile) for kind in KINDS}
    first = {kind: run.step() for kind, run in runs.items()}
    near = 5e-3 if options.device.startswith("cuda") else 1e-4  # bfloat16 on a GPU
    for kind in ("plain", "transformers"):
        assert abs(first[kind] - first["lilllm"]) < near, (kind, first[kind], first["lilllm"])
    for run in runs.values():
        run.step()
    gc.disable()  # what it collects would be counted to whoever comes next
    times = [{kind: run.timed() for kind, run in runs.items()} for _ in range(rounds)]
    gc.enable()
    del runs
    tokens = batch[0] * batch[1]
    work = sum(flops.training(config.shape(), batch=batch[0], seq=batch[1], causal=True).values())
    memory = {kind: peak(kind, name, batch, options) for kind in KINDS}
    print(f"  {'':14}{'tokens/s':>10}{'GFLOP/s':>9}{'ours/theirs':>13}{'peak MB':>9}{'ours/theirs':>13}   aim")
    for kind in KINDS:
        speed = statistics.median(tokens / row[kind] for row in times)
        ratio = statistics.median(row[kind] / row["lilllm"] for row in times)
        share, aim = memory["lilllm"] / memory[kind], AIMS.get(kind)
        rate = f"{speed * work / tokens / 1e9:9.1f}" if kind != "nanogpt" else f"{'':9}"
        said = "" if aim is None else f"at least {aim}: {'met' if ratio >= aim else 'MISSED'}"
        said += "" if aim is None else f"; no more memory: {'met' if share <= 1 else 'MISSED'}"
        print(f"  {kind:14}{speed:10.0f}{rate}{ratio:13.2f}{memory[kind]:9.0f}{share:13.2f}   {said}", flush=True)


def peak(kind: str, name: str, batch: tuple[int, int], options: argparse.Namespace) -> float:
    """Megabytes that two steps take at most, in a process of their own."""
    command = [sys.executable, __file__, "--peak", kind, name, *map(str, batch), "--device", options.device]
    command += ["--compile"] if options.compile else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure_peak(kind: str, name: str, batch: tuple[int, int], options: argparse.Namespace) -> None:
    cuda = options.device.startswith("cuda")
    if not cuda:  # what is imported on the way is no memory of the model
        Run(kind, preset("liltown"), (1, 8), options.device, False).step()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here (Linux)
        before = resident("VmRSS")
    run = Run(kind, preset(name), batch, options.device, options.compile)
    run.step()
    run.step()
    print(torch.cuda.max_memory_allocated() / 1e6 if cuda else resident("VmHWM") - before)


def resident(field: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(rows[field].split()[0]) * 1024 / 1e6


def profile(name: str, batch: tuple[int, int], options: argparse.Namespace, kind: str = "lilllm") -> None:
    """The share of a step's time in each operation, its own only."""
    run = Run(kind, preset(name), batch, options.device, options.compile)
    run.step()
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if run.cuda else []
    with torch.profiler.profile(activities=activities) as profiler:
        run.step()
    print(f"{kind}, {name}, {batch[0]} x {batch[1]}")
    device = "self_cuda_time_total" if run.cuda else "self_cpu_time_total"
    print(profiler.key_averages().table(sort_by=device, row_limit=16, max_name_column_width=40))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="lillm-39m at 8 x 512 too, on the CPU some minutes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=0, help="of each table")
    parser.add_argument("--profile", nargs="+", metavar=("NAME", "KIND"), help="where the time goes instead")
    parser.add_argument("--only", help="one table: liltown or lillm-39m")
    parser.add_argument("--batch", nargs=2, type=int, help="rows and tokens of a row")
    parser.add_argument("--peak", nargs=4, metavar=("KIND", "NAME", "B", "T"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    cuda = options.device.startswith("cuda")
    torch.set_num_threads(1)
    if cuda:
        torch.set_float32_matmul_precision("high")
    if options.peak:
        kind, name, *batch = options.peak
        return measure_peak(kind, name, (int(batch[0]), int(batch[1])), options)
    if options.profile:
        name, *rest = options.profile
        batch = options.batch or ((8, 512) if cuda else (8, 256) if name == "liltown" else (1, 512))
        return profile(name, tuple(batch), options, *rest)
    tables = [("liltown", (8, 256), 15), ("lillm-39m", (8, 512) if cuda else (1, 512), 30 if cuda else 7)]
    if options.full and not cuda:
        tables.append(("lillm-39m", (8, 512), 3))
    for name, batch, rounds in tables:
        if options.only in (None, name):
            table(name, tuple(options.batch or batch), options.rounds or rounds, options)


if __name__ == "__main__":
    main()
