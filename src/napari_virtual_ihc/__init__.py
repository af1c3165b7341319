"""See, judge and train virtual immunohistochemistry on H&E whole-slide images, in napari."""

__version__ = "0.1.0"
