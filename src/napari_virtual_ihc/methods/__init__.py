"""Published methods, one file each: networks, losses, schedule, switches, reference numbers."""
