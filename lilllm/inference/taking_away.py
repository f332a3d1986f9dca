"""A trained model as a folder of its own, which other tools read: transformers, vLLM, llama.cpp's converter.

    take_away("runs/liltown", "my-model")       config.json, model.safetensors, tokenizer.json, tokenizer_config.json

Read in order: take_away
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import torch

from lilllm.inference.loading import load
from lilllm.models import export

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"


def take_away(
    source: str | os.PathLike[str] | None,
    folder: str | os.PathLike[str],
    *,
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the model of a run, a checkpoint or a Hugging Face folder to ``folder``, in Hugging Face's format.

    Args:
        source: what `load` takes; of a run it is the best checkpoint.
        dtype: of the weights; None: as they are.
        overwrite: replace an earlier model there.
    Returns:
        The folder.
    Raises:
        FileExistsError: the folder is not empty, and ``overwrite`` is not given.
        what `load` and `models.export` raise.
    Holds: transformers' AutoModelForCausalLM and AutoTokenizer of it give the same tokens and logits.
    """
    speaker = load(source, dtype=dtype)
    end = next(iter(speaker.ends), None)
    target = export(speaker.model, folder, overwrite=overwrite, bos_token_id=speaker.start, eos_token_id=end)
    names = {number: name for name, number in speaker.tokenizer.special_tokens.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": speaker.model.config.context_len,
        "clean_up_tokenization_spaces": False,
    }
    if end in names:
        settings |= {"eos_token": names[end], "bos_token": names[end]}
    for name, text in ((TOKENIZER, None), (SETTINGS, json.dumps(settings, indent=1) + "\n")):
        beside = target / f".{name}.{secrets.token_hex(4)}"
        try:
            if text is None:
                speaker.tokenizer.save(beside)  # type: ignore[attr-defined]
            else:
                beside.write_text(text, encoding="utf-8")
            beside.replace(target / name)
        finally:
            beside.unlink(missing_ok=True)
    mode = (target / SETTINGS).stat().st_mode
    for path in target.glob("*.safetensors"):
        path.chmod(mode)  # safetensors writes for its owner alone
    return target
