"""Everything that haiga refuses, as sentences for people.

    HaigaError
    ├── RecipeError        a fault in a recipe; names its path ("stage.sft.objective.betta")
    ├── DataError          a fault in data; names the file or the row
    │   ├── PictureError       a picture that cannot be read
    │   ├── PlaceholderError   a row whose image placeholders do not match its pictures
    │   └── TooLongError       a row that does not fit in the token limit
    ├── StoreError         a folder that cannot be used
    │   └── DriftError         a finished folder was made with other options; names the field
    ├── ModelError         a checkpoint or an architecture that does not fit
    ├── TeacherError       a remote model that did not answer as it must
    │   └── BusyError          it asks to be asked again
    ├── BudgetError        the next call could pass what may be spent
    └── TrainingError      training cannot go on
        └── GuardError         a guard stopped it before the weights moved

The command line prints the message of a HaigaError and exits with 2, as it does when the machine
refuses a file or its memory; anything else is our own mistake and shows its traceback. A message
says what was wrong, where, and what to do.
"""

from __future__ import annotations


class HaigaError(Exception):
    """Base of every error that is meant to be read by a person."""


class RecipeError(HaigaError):
    """A recipe that cannot be used."""


class DataError(HaigaError):
    """Data that cannot be used."""


class PictureError(DataError):
    """A picture that cannot be read."""

    def __init__(self, text: str, *, needs: str = "") -> None:
        super().__init__(text)
        self.needs = needs
        """What would read it and is not installed here; "" where nothing is known to."""


class PlaceholderError(DataError):
    """Image placeholders and pictures of one row do not match."""


class TooLongError(DataError):
    """A row that does not fit in the token limit."""


class StoreError(HaigaError):
    """A folder that cannot be read or written."""


class DriftError(StoreError):
    """A finished folder was made with other options than those asked for now."""


class ModelError(HaigaError):
    """A checkpoint or an architecture that does not fit."""


class TeacherError(HaigaError):
    """A teacher that did not answer as it must."""


class BusyError(TeacherError):
    """A teacher that may answer when it is asked again."""

    def __init__(self, text: str, *, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait
        """Seconds that it asks to be left alone for; None where it says nothing."""


class BudgetError(HaigaError):
    """The next call could cost more than is left to spend, so it was not made."""


class TrainingError(HaigaError):
    """Training cannot go on."""


class GuardError(TrainingError):
    """A guard stopped training before the weights moved."""
