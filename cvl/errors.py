"""The errors a user may meet: what was asked, what was found, and what to do next."""

from __future__ import annotations


class CvlError(Exception):
    """Base of every expected failure; `exit_code` is what the process ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class JobError(CvlError):
    """The job, or a check of `verify`, failed."""

    exit_code = 1


class UsageError(CvlError):
    """Wrong usage: an unknown name, a value that does not fit."""

    exit_code = 2


class ManifestError(UsageError):
    """A manifest that does not hold what it must."""


class DataError(UsageError):
    """A data set that cannot be trained on, found before anything starts."""


class MetricsError(CvlError):
    """The job ran, and its metrics say that it did not train (or stopped on a non-finite loss)."""

    exit_code = 3


class EngineError(CvlError):
    """The engine could not serve the request."""

    exit_code = 4


class Interrupted(CvlError):
    """Stopped by the user."""

    exit_code = 130
