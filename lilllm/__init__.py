"""lilllm: a language model, built piece by piece, each piece equal to the reference.

Read in order of the lectures: tokenizers, then what later lectures add. `lilllm.tracing` replays any program line by
line; `lilllm.course` holds the exercises. Nothing heavy is imported here.
"""

__version__ = "0.1.0"
