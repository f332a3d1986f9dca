"""The exercises on tensors, in their order: broadcast, strides, pick, bfloat16, intensity."""
