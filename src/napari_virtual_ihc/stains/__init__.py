"""Arrays in, arrays out: optical density, stain vectors, unmixing, tissue, DAB quantities."""
