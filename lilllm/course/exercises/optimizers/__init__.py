"""The exercises on optimizers, in their order: momentum, adamw, schedule, clip, accumulate."""
