"""The exercises on generation, in their order: top_k, top_p, min_p, repetition, logprob, stream, cache_bytes."""
