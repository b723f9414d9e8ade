"""Every exception that Spendstream raises on purpose, in one tree.

    SpendstreamError            the message says what is wrong and what to do
    ├── UsageError              the command line or a file of the operator's is wrong (exit code 2)
    │   └── SettingsError       one or more settings are wrong; lists every fault
    ├── NotPossible             the command is right, but what is there does not allow it now (exit code 1)
    ├── Unavailable             a broker or database cannot be reached now; retried with back-off
    ├── Fenced                  a later epoch owns the partition; what this worker holds of it is void
    └── LedgerError             the ledger refused or contradicts itself; the process stops
        └── OlderLedger         it lacks tables or columns of this version

Bad input from routers is never an exception: it is a value with a reason (`streams.meter.decode.Reject`).
"""

from __future__ import annotations


class SpendstreamError(Exception):
    """Base of all errors raised on purpose; `str(error)` is meant for the user."""


class UsageError(SpendstreamError):
    """The user's command or file is wrong: exit code 2."""


class SettingsError(UsageError):
    """Settings are wrong; every fault is listed at once."""

    def __init__(self, faults: list[str]) -> None:
        """`faults`: one line each, saying the setting, what is wrong and what is accepted."""
        self.faults = faults
        super().__init__("settings are wrong:\n" + "\n".join(f"  - {fault}" for fault in faults))


class NotPossible(SpendstreamError):
    """What is there does not allow it now: no worker runs, a directory is in use, a month is not over. Exit code 1.

    The same command may do another time; the message says what to do meanwhile.
    """


class Unavailable(SpendstreamError):
    """A broker or a database cannot be reached now. Retrying may help."""


class Fenced(SpendstreamError):
    """Another worker took the partition over; nothing more may be written for it here."""


class LedgerError(SpendstreamError):
    """The ledger refused a write or contradicts itself; going on would risk money."""


class OlderLedger(LedgerError):
    """The ledger was made by an older Spendstream; the message says how to bring it up to date."""
