"""Numbers out: agreement statistics and seam figures, each with its protocol."""
