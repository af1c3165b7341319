"""Virtual against real: one scorer for both, agreement, and maps of where to trust it."""
