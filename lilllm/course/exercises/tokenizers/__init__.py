"""The exercises on tokenization, in their order: compression, utf8, bpe_merge, bpe_encode, wordpiece, viterbi."""
