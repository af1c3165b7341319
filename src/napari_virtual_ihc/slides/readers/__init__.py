"""One reader per family of files; each turns a path into an :class:`Opened`."""
