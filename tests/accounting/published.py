"""Tables of papers, as printed, for the tests of closed forms. Each was compared with a copy of its paper in November
2026; a figure that does not follow from the others in its own paper says so."""

from __future__ import annotations

from lilllm.accounting.shape import Shape


def gpt(n_layers: int, d_model: int, n_heads: int, d_head: int, *, vocab_size: int = 50257) -> Shape:
    """A GPT of 2048 positions: GPT-3's vocabulary, or Megatron's 51,200."""
    return Shape(
        vocab_size=vocab_size,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        d_head=d_head,
        d_ff=4 * d_model,
        context_len=2048,
        gated=False,
        tied=True,
        norm="layer",
        biases=True,
        positions="learned",
    )


# Brown et al. 2020, arXiv:2005.14165: layers, d_model, heads and d_head of table 2.1; millions of parameters and FLOPs
# of training on 300B tokens of table D.1. Two cells of table 2.1 are misprints (see test_params): XL has 16 heads where
# the table has 24, and 13B a d_model of 5120 where it has 5140.
GPT3 = (
    ((12, 768, 12, 64), 125, 2.25e20),
    ((24, 1024, 16, 64), 356, 6.41e20),
    ((24, 1536, 16, 96), 760, 1.37e21),
    ((24, 2048, 16, 128), 1_320, 2.38e21),
    ((32, 2560, 32, 80), 2_650, 4.77e21),
    ((32, 4096, 32, 128), 6_660, 1.20e22),
    ((40, 5120, 40, 128), 12_850, 2.31e22),
    ((96, 12288, 96, 128), 174_600, 3.14e23),
)

# Hoffmann et al. 2022, arXiv:2203.15556, table A9: millions of parameters, d_model, d_ff, d_head, heads, layers.
CHINCHILLA_A9 = (
    (44, 512, 2048, 64, 8, 8),
    (57, 576, 2304, 64, 9, 9),
    (74, 640, 2560, 64, 10, 10),
    (90, 640, 2560, 64, 10, 13),
    (106, 640, 2560, 64, 10, 16),
    (117, 768, 3072, 64, 12, 12),
    (140, 768, 3072, 64, 12, 15),
    (163, 768, 3072, 64, 12, 18),
    (175, 896, 3584, 64, 14, 14),
    (196, 896, 3584, 64, 14, 16),
    (217, 896, 3584, 64, 14, 18),
    (251, 1024, 4096, 64, 16, 16),
    (278, 1024, 4096, 64, 16, 18),
    (306, 1024, 4096, 64, 16, 20),
    (425, 1280, 5120, 128, 10, 18),
    (489, 1280, 5120, 128, 10, 21),
    (509, 1408, 5632, 128, 11, 18),
    (552, 1280, 5120, 128, 10, 24),
    (587, 1408, 5632, 128, 11, 21),
    (632, 1536, 6144, 128, 12, 19),
    (664, 1408, 5632, 128, 11, 24),
    (724, 1536, 6144, 128, 12, 22),
    (816, 1536, 6144, 128, 12, 25),
    (893, 1792, 7168, 128, 14, 20),
    (1_018, 1792, 7168, 128, 14, 23),
    (1_143, 1792, 7168, 128, 14, 26),
    (1_266, 2048, 8192, 128, 16, 22),
    (1_424, 2176, 8704, 128, 17, 22),
    (1_429, 2048, 8192, 128, 16, 25),
    (1_593, 2048, 8192, 128, 16, 28),
    (1_609, 2176, 8704, 128, 17, 25),
    (1_731, 2304, 9216, 128, 18, 24),
    (1_794, 2176, 8704, 128, 17, 28),
    (2_007, 2304, 9216, 128, 18, 28),
    (2_283, 2304, 9216, 128, 18, 32),
    (2_298, 2560, 10240, 128, 20, 26),
    (2_639, 2560, 10240, 128, 20, 30),
    (2_980, 2560, 10240, 128, 20, 34),
    (3_530, 2688, 10752, 128, 22, 36),
    (3_802, 2816, 11264, 128, 22, 36),
    (4_084, 2944, 11776, 128, 22, 36),
    (4_516, 3072, 12288, 128, 24, 36),
    (6_796, 3584, 14336, 128, 28, 40),
    (9_293, 4096, 16384, 128, 32, 42),
    (11_452, 4352, 17408, 128, 32, 47),
    (12_295, 4608, 18432, 128, 36, 44),
    (12_569, 4608, 18432, 128, 32, 47),
    (13_735, 4864, 19456, 128, 32, 47),
    (14_940, 4992, 19968, 128, 32, 49),
    (16_183, 5120, 20480, 128, 40, 47),
)

# The same, table 3: parameters, FLOPs, tokens of the optimal model, by approach 1.
CHINCHILLA_3 = (
    (400e6, 1.92e19, 8.0e9),
    (1e9, 1.21e20, 20.2e9),
    (10e9, 1.23e22, 205.1e9),
    (67e9, 5.76e23, 1.5e12),
    (175e9, 3.85e24, 3.7e12),
    (280e9, 9.90e24, 5.9e12),
    (520e9, 3.43e25, 11.0e12),
    (1e12, 1.27e26, 21.2e12),
    (10e12, 1.30e28, 216.2e12),
)

# Rajbhandari et al. 2020, arXiv:1910.02054, table 1: GB on each of so many GPUs under ZeRO-1, 2, 3. Parts of a GB are
# rounded for 7.5B and cut off for the others.
ZERO = {
    7_500_000_000: {
        1: (120, 120, 120),
        4: (52.5, 41.3, 30),
        16: (35.6, 21.6, 7.5),
        64: (31.4, 16.6, 1.88),
        256: (30.4, 15.4, 0.47),
        1024: (30.1, 15.1, 0.12),
    },
    128_000_000_000: {
        1: (2048, 2048, 2048),
        4: (896, 704, 512),
        16: (608, 368, 128),
        64: (536, 284, 32),
        256: (518, 263, 8),
        1024: (513, 257, 2),
    },
    1_000_000_000_000: {
        1: (16000, 16000, 16000),
        4: (7000, 5500, 4000),
        16: (4750, 2875, 1000),
        64: (4187, 2218, 250),
        256: (4046, 2054, 62.5),
        1024: (4011, 2013, 15.6),
    },
}

# Korthikanti et al. 2022, arXiv:2205.05198, tables 3 and 5: heads, width, layers; GPUs, global batch; seconds an
# iteration with their method; its model and hardware FLOPs utilisation in percent. Sequences of 2048, A100s.
MEGATRON = {
    "22B": ((64, 6144, 48), (8, 4), 1.10, (41.5, 43.7)),
    "175B": ((96, 12288, 96), (64, 64), 13.75, (51.4, 52.8)),
    "530B": ((128, 20480, 105), (280, 280), 37.83, (56.0, 57.0)),
    "1T": ((160, 25600, 128), (512, 512), 71.49, (56.3, 57.0)),
}


def megatron(name: str) -> Shape:
    heads, width, layers = MEGATRON[name][0]
    return gpt(layers, width, heads, width // heads, vocab_size=51200)
