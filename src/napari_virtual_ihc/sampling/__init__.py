"""Diffusion: schedule, noise, guidance and the reverse chain, as functions on tensors."""
