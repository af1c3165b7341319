"""Error types: the text of each is one clear sentence naming the file, field or layer."""

from __future__ import annotations


class VirtualIhcError(Exception):
    """Anything this package refuses or fails at, told in one sentence."""


class UsageError(VirtualIhcError):
    """The command or argument is wrong (exit code 2)."""


class SlideError(VirtualIhcError):
    """A file is not a slide, or cannot be read as one."""


class NotBrightfieldError(SlideError):
    """The slide holds something other than brightfield RGB."""


class MissingScaleError(SlideError):
    """The slide states no µm/px and none was given."""


class ModelError(VirtualIhcError):
    """A model folder is missing, damaged or of an unknown kind."""


class CheckpointError(ModelError):
    """A foreign checkpoint cannot be imported."""


class DataError(VirtualIhcError):
    """Training data cannot be used as it is."""


class JobError(VirtualIhcError):
    """A run could not be started, found or resumed."""


class CacheError(VirtualIhcError):
    """The tile cache cannot be used."""


class ExportError(VirtualIhcError):
    """An output cannot be written or verified."""


class RegistrationError(VirtualIhcError):
    """Two slides cannot be laid onto each other, or a registration cannot be used."""


class ReviewError(VirtualIhcError):
    """A review, or regions marked in it, cannot be read, written or opened here."""


class Cancelled(Exception):
    """The work was no longer wanted."""
