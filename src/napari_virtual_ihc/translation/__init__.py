"""A model on a slide: calibration of statistics, translator, backends, export, verification."""
