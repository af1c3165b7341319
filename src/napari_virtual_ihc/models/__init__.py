"""Model card, model folder, library, and import of foreign checkpoints."""
