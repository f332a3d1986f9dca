"""The exercises on the transformer, in their order: rms_norm, swiglu, gqa, count, residual_std, next_loss."""
