"""Run folders for the tests of the viewer: some made up, one really trained, some hostile."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HTML = "<img src=x onerror=alert(1)><script>alert(2)</script>**bold** $x^2$"


def records(steps: int, *, floor: float = 1.0, every: int = 10, done: bool = True) -> list[dict[str, Any]]:
    """What a run of so many steps says: its loss falls smoothly to ``floor``."""
    found: list[dict[str, Any]] = [event("start", 0, "a made run")]
    for step in range(1, steps + 1):
        loss = floor + 5 * math.exp(-6 * step / steps)
        at = place(step)
        found.append(
            {"kind": "train", **at, "loss": loss, "lr": 1e-3 * min(1, step / 10), "grad_norm": 0.5 + 1 / step}
            | {"tokens_per_second": 2000.0 + step, "mfu": None, "memory_bytes": 3e8}
        )
        if step % every == 0:
            found.append({"kind": "eval", **at, "loss": loss + 0.1, "bits_per_byte": (loss + 0.1) / 2})
            found.append({"kind": "sample", **at, "text": f"words at {step}\n  and more"})
    if done:
        found.append(event("done", steps, f"{steps} steps"))
    return found


def place(step: int) -> dict[str, Any]:
    return {"step": step, "tokens": 64 * step, "seconds": step / 10}


def event(name: str, step: int, message: str = "") -> dict[str, Any]:
    return {"kind": "event", **place(step), "event": name, "message": message}


def text(found: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in found)


def made(folder: Path, found: Iterable[dict[str, Any]], *, age: float = 3600, **about: Any) -> Path:
    """A run folder of these records, last written to ``age`` seconds ago."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"model": {"d_model": 32}, "training": about}))
    metrics = folder / "metrics.jsonl"
    metrics.write_text(text(found))
    then = metrics.stat().st_mtime - age
    os.utime(metrics, (then, then))
    return metrics


def hostile(folder: Path) -> Path:
    """Everything that a file of metrics should not hold, among a few words that it should."""
    deep = "[" * 100_000 + "]" * 100_000
    lines = [
        text(records(20, done=False)),
        '{"kind": "train", "step": 21, "loss": NaN, "lr": Infinity, "grad_norm": 1e308, "seconds": 2.1}',
        '{"kind": "train", "step": 22, "loss": 1e400}',
        '{"kind": "train", "step": 1e300, "loss": 1}\n{"kind": "train", "step": -1, "loss": 1}',
        f'{{"kind": "train", "step": 22, "loss": {"9" * 500}}}',
        f'{{"kind": "sample", "step": 22, "text": {json.dumps(HTML)}}}',
        f'{{"kind": "event", "step": 22, "event": {json.dumps(HTML)}, "message": {json.dumps(HTML)}}}',
        f'{{"kind": "train", "step": 22, "loss": {deep}}}',
        '{"kind": "train", "step": "22", "loss": "low"}\nnull\n[]\n\x00\x00\x00\n{"kind": 3, "step": 1}',
        '{"kind": "nan", "step": 22}',
        '{"kind": "train", "step": 23, "lo',
    ]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(f'{{"{HTML}": {json.dumps(HTML)}}}')
    metrics = folder / "metrics.jsonl"
    metrics.write_bytes("\n".join(lines).encode())
    os.utime(metrics, (0, metrics.stat().st_mtime - 3600))
    return metrics


TEXT = " ".join(
    f"{name} gave a {thing} to {other}."
    for name in ("Mia", "Noah")
    for thing in ("net", "hat", "key")
    for other in ("Ben", "Ella")
)


def trained(folder: Path, steps: int = 40) -> Path:
    """A run that was really trained, with a checkpoint every half of its steps: a tiny model of a few sentences."""
    import torch

    from lilllm.data import Loader, TokenArray
    from lilllm.models import Decoder, ModelConfig
    from lilllm.tokenizers import BPETokenizer
    from lilllm.training import TrainConfig, Trainer

    tokenizer = BPETokenizer.train([TEXT], vocab_size=300, special_tokens=["<|endoftext|>"])
    ids = tokenizer.encode(TEXT) * 30
    eos = tokenizer.special_tokens["<|endoftext|>"]
    tokens = TokenArray(ids, vocab_size=tokenizer.vocab_size, eos=eos, n_bytes=30 * len(TEXT))
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, d_ff=64, context_len=2048
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(0))
    trainer = Trainer(
        model,
        TrainConfig(
            steps=steps, batch_size=4, lr=1e-2, eval_every=10, sample_every=10, save_every=steps // 2, eval_batches=2
        ),
        Loader(tokens, batch_size=4, context_len=32),
        validation=tokens,
        folder=folder,
        tokenizer=tokenizer,
        sample=lambda one: tokenizer.decode(one.greedy(torch.tensor([ids[:2]]), 10)[0].tolist()),
        device="cpu",
        progress=False,
    )
    trainer.run()
    return folder
