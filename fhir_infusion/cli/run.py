"""How every command ends: errors on standard error in one line each, no traceback, and an exit code.

0 done, 1 something was refused or failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

import click

from fhir_infusion.errors import DocumentError, Refused, SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.errors import Issue

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
    except click.Abort:
        tell("interrupted")
        return INTERRUPTED
    except Refused as error:
        for issue in error.issues:
            tell(sentence(issue))
        return REFUSED
    except DocumentError as error:
        for complaint in error.complaints:
            tell(complaint)
        return REFUSED
    except SettingsError as error:
        tell(str(error))
        return USAGE
    except Unavailable as error:
        tell(str(error))
        return REFUSED
    except BrokenPipeError:
        # The reader of our output has gone; there is no one left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001  the message may hold a value of the input: only the place is told
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119  a name for a message
        tell(f"a fault of ours: {type(error).__name__} at {place}; please report it with the command")
        return REFUSED
    return result if isinstance(result, int) else DONE


def tell(line: str) -> None:
    """Write one line to standard error."""
    click.echo(f"fhir-infusion: {line}", err=True)


def sentence(issue: Issue) -> str:
    """Return one issue in words: where, why, and what would be accepted."""
    place = f"{issue.path}: " if issue.path else ""
    accepted = f"; accepted: {issue.accepted}" if issue.accepted else ""
    return f"{place}{issue.reason}{accepted}"
