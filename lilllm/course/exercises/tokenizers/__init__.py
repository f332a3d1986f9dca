"""The exercises on tokenization, in their order: utf8, compression, bpe_encode, stream, wordpiece, forward."""
