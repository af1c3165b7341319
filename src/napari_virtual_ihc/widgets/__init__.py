"""All that knows napari and Qt: readers, layers, docks."""
