"""The Translate page: a model on a slide, regions, maps of trust."""
