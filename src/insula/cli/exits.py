"""The exit codes of every `insula` command, in one table."""

from typing import Final

from insula.domain import errors

SUCCESS: Final = 0
DEFECT: Final = 1  # a mistake of Insula's own
INTERRUPTED: Final = 130  # Ctrl-C, as shells count it

# The first class that fits decides, so the narrow ones stand before the wide ones.
TABLE: Final[tuple[tuple[type[errors.InsulaError], int, str], ...]] = (
    (errors.NotFoundError, 3, "The named thing does not exist."),
    (errors.UsageError, 2, "The command or a file cannot be used as written."),
    (errors.ConflictError, 6, "Someone else changed the object first, or it exists already."),
    (errors.WallOpenError, 7, "A probe of a home's walls is red."),
    (errors.UnavailableError, 4, "A system did not answer, is not ready, or waiting took too long."),
    (errors.RefusedError, 5, "A system answered no."),
)


def code_of(error: errors.InsulaError) -> int:
    """Return the exit code of an error; 1 for a kind that the table does not know."""
    return next((code for kind, code, _ in TABLE if isinstance(error, kind)), DEFECT)


def rows() -> list[tuple[int, str]]:
    """Return every exit code with its meaning, in ascending order, for the documentation."""
    own = [
        (SUCCESS, "Done."),
        (DEFECT, "A defect in Insula; `--debug` shows where."),
        (INTERRUPTED, "Interrupted with Ctrl-C."),
    ]
    return sorted(own + [(code, meaning) for _, code, meaning in TABLE])
