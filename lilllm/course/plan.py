"""The 26 lectures of the course, by number and name: the one list that README, `lilllm course list` and tests read.

A lecture that is not there yet is planned; one is built when ``lectures/NAME.ipynb`` exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Lecture(NamedTuple):
    """One lecture: ``name`` is the stem of its files, ``what`` one line for a table.

    ``needs``: names of the earlier lectures whose own matter it stands on. What those need in turn is left out.
    """

    part: str
    name: str
    what: str
    needs: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """
        >>> LECTURES[8].number, LECTURES[8].title
        ('09', 'generation')
        """
        return self.name[:2]

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name[3:].replace("_", " ")

    def built(self, clone: Path) -> bool:
        """Whether its notebook is in the clone."""
        return (clone / "lectures" / f"{self.name}.ipynb").is_file()


_PARTS: dict[str, dict[str, str]] = {
    "I. From text to a model that speaks": {
        "01_tokenization": "text to integers: bytes, words, BPE, WordPiece, Unigram, and what each costs",
        "02_tensors": "the PyTorch a reader needs; number formats; bytes, FLOPs and the roofline",
        "03_gradients": "an autograd engine, gradient checking, initialisation, activation checkpointing",
        "04_optimizers": "from SGD to AdamW, Shampoo and Muon; schedules, clipping, accumulation",
        "05_attention": "from averaging to multi-head attention, masks and maps one can read",
        "06_positions": "learned, sinusoidal, RoPE, ALiBi; what happens past the training length",
        "07_transformer": "norms, feed-forward layers and the whole model; loads GPT-2 and Llama weights",
        "08_pretraining": "from documents to batches to a trained model, resumable to the bit",
        "09_generation": "greedy to min-p, beam search, and the KV cache",
    },
    "II. Making it fast, making it large": {
        "10_efficient_attention": "MQA, GQA, MLA, windows, linear attention, and the cache of each",
        "11_flash_attention": "online softmax, tiles forward and backward, a Triton kernel",
        "12_parallelism": "collectives, DDP, ZeRO, tensor, pipeline, context and expert parallelism",
        "13_mixture_of_experts": "routing, balance, collapse; multi-token prediction",
        "14_serving": "continuous batching, paged KV blocks, speculative decoding",
        "15_compression": "quantization, distillation, pruning",
        "16_long_context": "stretching positions, staged extension, needles in haystacks",
    },
    "III. What to train on, how far, how good": {
        "17_scaling_laws": "isoFLOP curves run and fitted; what extrapolation hides",
        "18_data": "extraction, filters, deduplication, mixing, decontamination",
        "19_evaluation": "perplexity, pass@k, judges, ratings, intervals, leaks",
    },
    "IV. From a model to an assistant": {
        "20_finetuning": 'chat templates, loss masks, LoRA, and saying "I don\'t know"',
        "21_preferences": "reward models, best-of-n, DPO and its relatives, over-optimisation",
        "22_reinforcement_learning": "bandits to PPO, each clip region of it",
        "23_rlhf": "PPO and GRPO for language models, verifiable rewards, reward hacking",
        "24_reasoning": "chain of thought, self-consistency, search, accuracy against compute",
        "25_tools": "calls, search, memory, retrieval, and running generated code safely",
        "26_multimodal": "ViT, CLIP, image codes, a captioner, diffusion in one section",
    },
}

# What a lecture cannot do without, by numbers. Who wants reinforcement learning may go there from optimizers, and who
# wants kernels from attention: the order of the course is one of several.
_NEEDS = {
    "03": "02",  # its engine computes what torch's tensors do
    "04": "03",  # steps along gradients
    "05": "03",  # softmax and its derivative; why sqrt(d) is a matter of initialisation
    "06": "05",
    "07": "06",
    "08": "01 04 07",  # tokens, a step, a model
    "09": "08",  # a trained model to draw from
    "10": "09",  # the KV cache that it shrinks
    "11": "05",
    "12": "08 11",  # the loop that it spreads; ring attention merges online softmaxes
    "13": "09",
    "14": "09",
    "15": "09",  # weights, and the cache
    "16": "10",  # positions on global and local layers
    "17": "08",
    "18": "08",
    "19": "09 18",  # likelihoods and samples; leaks are found as duplicates are
    "20": "09",
    "21": "19 20",  # a judge's Bradley-Terry, and a model that follows instructions
    "22": "04",
    "23": "21 22",
    "24": "23",
    "25": "20",
    "26": "09",  # a captioner speaks
}


def _lectures() -> tuple[Lecture, ...]:
    by_number = {name[:2]: name for names in _PARTS.values() for name in names}
    return tuple(
        Lecture(part, name, what, tuple(by_number[number] for number in _NEEDS.get(name[:2], "").split()))
        for part, names in _PARTS.items()
        for name, what in names.items()
    )


LECTURES = _lectures()


def markdown_table(clone: Path) -> str:
    """The table of the README: every lecture, built ones as links to their notebooks, the others marked planned."""
    rows = ["| | Lecture | What it builds | |", "|---|---|---|---|"]
    part = ""
    for lecture in LECTURES:
        if lecture.part != part:
            part = lecture.part
            rows.append(f"| | **{part}** | | |")
        built = lecture.built(clone)
        shown = f"[{lecture.title}](lectures/{lecture.name}.ipynb)" if built else lecture.title
        rows.append(f"| {lecture.number} | {shown} | {lecture.what} | {'built' if built else 'planned'} |")
    return "\n".join(rows)
