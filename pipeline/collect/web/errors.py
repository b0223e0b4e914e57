"""What an answer of a live source can mean, by what is to be done about it.

wait     throttled: nobody asks anything for a while (WaitError)
retry    a passing trouble of the network or the server: asked again a few times (RetryError)
human    only a person can mend it: no second request is sent (HumanError)
final    this one thing is gone or private, for ever (FinalError)
expired  its signed address is out of date: ask for a new one (ExpiredError)
refused  we do not ask there, or the answer says that we may not take it (RefusedError)
Beside them: the source has changed its shape (SourceChangedError, BadResponseError), and the run's own limit of
requests is reached (BudgetSpentError).
Law: `reason` is a word that is counted and holds nothing of the answer, the address or the key.
"""

from pipeline.errors import StageError

EXCERPT_CHARACTERS = 200


class SourceError(Exception):
    """An answer that is not what was asked for; `reason` is counted."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class WaitError(SourceError):
    """Throttled; the source said to come back after `retry_after_s` seconds, None where it did not say."""

    def __init__(self, reason: str, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after_s = retry_after_s


class RetryError(SourceError):
    """A timeout, a reset, a 5xx, a body cut short: worth another try."""


class FinalError(SourceError):
    """Gone or private, for ever."""


class ExpiredError(SourceError):
    """A signed address is out of date; its owner has to be asked for a new one."""


class RefusedError(SourceError):
    """By our own rules this is not asked for, or not taken."""


class SourceChangedError(SourceError):
    """The source answers in a shape that this version does not know."""


class MissingError(SourceChangedError):
    """There is no such thing, says the source; said once it may be a bad day of the source.

    is_sure: it says so in more than one way.
    """

    def __init__(self, reason: str, *, is_sure: bool = False) -> None:
        super().__init__(reason)
        self.is_sure = is_sure


class BadResponseError(SourceChangedError):
    """The body is not the JSON it should be; the message holds its first 200 characters."""

    def __init__(self, reason: str, excerpt: str = "") -> None:
        self.excerpt = excerpt[:EXCERPT_CHARACTERS]
        super().__init__(reason, f"{reason}: {self.excerpt!r}" if excerpt else reason)


class BudgetSpentError(SourceError):
    """The requests that this run may send are spent; what is left is for the next run."""


class HumanError(StageError):
    """Only a person can go on; the message says what to do. A ValueError, so it is shown without a traceback."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
