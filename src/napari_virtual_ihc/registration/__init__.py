"""Real IHC onto H&E: coarse, affine, elastic; landmarks; lazy warping."""
