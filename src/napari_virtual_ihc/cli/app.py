"""The application: commands by name, errors as one sentence, exit codes 0, 1 and 2."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Annotated, cast

import typer

from napari_virtual_ihc import __version__
from napari_virtual_ihc.errors import Cancelled, UsageError, VirtualIhcError
from napari_virtual_ihc.files import reason

DONE, FAILED, WRONG_USE = 0, 1, 2
_INTERRUPTED = 130
# click's ClickException, which newer versions of typer carry inside themselves
_WRONG_WORDS: type[Exception] = typer.BadParameter.__mro__[2]
_COMMANDS = {
    "demo": "view:demo",
    "view": "view:view",
    "translate": "translate:translate",
    "verify": "translate:verify",
    "register": "register:register",
    "compare": "compare:compare",
    "pairs": "pairs:pairs",
    "train": "train:train",
    "resume": "train:resume",
    "runs": "train:runs",
    "methods": "methods:methods",
    "data": "data:data",
    "phantom": "phantom:phantom",
    "doctor": "doctor:doctor",
}
_GROUPS = {"models": "models:app", "cache": "cache:app"}


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; return 0 (done), 1 (failed) or 2 (wrong use).

    Parameters
    ----------
    arguments
        The words after ``virtual-ihc``; ``--debug`` anywhere shows tracebacks.
    """
    debug = "--debug" in arguments
    words = [word for word in arguments if word != "--debug"]
    try:
        result = build_app()(words, standalone_mode=False)
        code = result if isinstance(result, int) else DONE
        return _stopped() if code == _INTERRUPTED else code
    except typer.Exit as leave:
        return leave.exit_code
    except _WRONG_WORDS as error:
        cast("typer.BadParameter", error).show()
        return WRONG_USE
    except (KeyboardInterrupt, typer.Abort, Cancelled) as error:
        return _stopped(str(error))
    except (VirtualIhcError, OSError) as error:
        if debug:
            traceback.print_exc()
        print(f"virtual-ihc: {_sentence(error)}", file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED


def _stopped(words: str = "") -> int:
    print(words or "Stopped; run the same command again to go on.", file=sys.stderr)
    return FAILED


def _sentence(error: VirtualIhcError | OSError) -> str:
    """Return what went wrong, without the number that the system gives it."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {reason(error)}."
    return str(error)


def build_app() -> typer.Typer:
    """Return the application with every command attached."""
    app = typer.Typer(
        name="virtual-ihc",
        help="See, judge and train virtual immunohistochemistry. Research use only.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_version)
    for name, place in _COMMANDS.items():
        app.command(name)(_load(place))
    for name, place in _GROUPS.items():
        app.add_typer(_load(place), name=name)
    return app


def _load(place: str) -> typer.Typer:
    module, name = place.split(":")
    loaded: typer.Typer = getattr(import_module(f"napari_virtual_ihc.cli.{module}"), name)
    return loaded


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def _version(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
    home: Annotated[
        str, typer.Option(envvar="VIRTUAL_IHC_HOME", help="Folder of settings, models, cache.")
    ] = "",
) -> None:
    if home:
        os.environ["VIRTUAL_IHC_HOME"] = home
