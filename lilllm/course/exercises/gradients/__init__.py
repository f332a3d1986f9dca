"""The exercises on gradients, in their order: unbroadcast, topological, softmax, cross_entropy, numeric, layer_norm."""
