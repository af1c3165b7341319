"""What runs a network: torch everywhere, OpenVINO on Intel CPUs."""
