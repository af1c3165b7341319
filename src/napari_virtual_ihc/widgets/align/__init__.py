"""The Align page: a real IHC laid onto the H&E, found, marked or moved by hand."""
