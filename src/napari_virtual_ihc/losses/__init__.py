"""Losses: functions on tensors, one file per family."""
