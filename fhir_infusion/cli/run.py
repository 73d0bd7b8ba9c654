"""How every command ends: errors on standard error in one line each, no traceback, and an exit code.

0 done, 1 something was refused or failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fhir_infusion.errors import DocumentError, FhirInfusionError, Issue, Refused, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; whatever it raises becomes a line on standard error."""
    try:
        result = command.main(args=arguments, prog_name="fhir-infusion", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone; there is no one left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (Exception, click.Abort) as error:  # noqa: BLE001  whatever it is, no traceback reaches the terminal
        for line in _sentences(error):
            tell(line)
        return _exit_code(error)
    return result if isinstance(result, int) else DONE


def _exit_code(error: BaseException) -> int:
    if isinstance(error, click.Abort):
        return INTERRUPTED
    return USAGE if isinstance(error, SettingsError) else REFUSED


def _sentences(error: BaseException) -> list[str]:
    """Return what is told of a failure; the message of one that is not of the family may hold a value of the input."""
    if isinstance(error, Refused):
        return [sentence(issue) for issue in error.issues]
    if isinstance(error, DocumentError):
        return list(error.complaints)
    if isinstance(error, FhirInfusionError):
        return [str(error)]
    if isinstance(error, click.Abort):
        return ["interrupted"]
    return [fault(error)]


def fault(error: BaseException) -> str:
    """Say in words that we failed: what and where, without the message, which may hold a value of the input."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"a fault of ours: {type(error).__name__} at {place}; please report it with the command"


def as_refused(error: Exception) -> Refused:
    """Return what befell one input as its refusal, so that the run goes on; a fault of ours is told as such."""
    return error if isinstance(error, Refused) else Refused(Issue("fatal", "exception", "", fault(error)))


def tell(line: str) -> None:
    """Write one line to standard error."""
    click.echo(f"fhir-infusion: {line}", err=True)


def sentence(issue: Issue) -> str:
    """Return one issue in words: where, why, and what would be accepted."""
    place = f"{issue.path}: " if issue.path else ""
    accepted = f"; accepted: {issue.accepted}" if issue.accepted else ""
    return f"{place}{issue.reason}{accepted}"
