"""
Everything that can go wrong, typed by what the caller can do about it.

    GatewayError
     ├─ ConfigError               the configuration is wrong; says file, key and line
     ├─ StoreError
     │   ├─ StoreUnavailable      nothing was written; try again later (disk full, closed, locked)
     │   ├─ StoreRefused          this file or database is not ours to use; says why
     │   ├─ LeaseLost             another worker owns the lane now; stop touching it
     │   └─ Revised               the question was changed while it was answered; take it up again
     ├─ AdapterError              the platform refused; repeating the same call won't help
     │   ├─ RateLimited           wait ``retry_after`` seconds; nothing was changed
     │   ├─ OutcomeUnknown        it may have happened; look before you repeat it
     │   ├─ PostGone              the post to edit is gone; a new one may be made
     │   ├─ Forbidden             the bot may not speak there
     │   ├─ TooLong               split the text and try again
     │   ├─ StreamRefused         nothing was sent; post and edit instead
     │   ├─ StreamEnded           nothing was appended; mend the post instead
     │   │   └─ StreamStopped     a person has ended it; that is no fault
     │   ├─ StreamOpen            the post is still a stream; stop it first
     │   └─ Unmendable            the post can only be deleted, and made anew
     ├─ BackendError              the step failed; ``retryable`` says whether the same step may be tried
     │   ├─ BackendUnavailable    unreachable, overloaded or rate limited; waits ``retry_after``
     │   ├─ BackendRefused        key, model or request refused; only a person can mend it
     │   ├─ ContextOverflow       the window is too large for the model
     │   └─ StreamCut             the stream ended without a terminal event
     ├─ FileRefused               this file may not be kept, or can't be read; the message says why
     ├─ NotAllowed                this person may not ask there; the message says so, for them
     └─ ToolError                 a handler says, in words for the model, why it could not do its work
"""

from __future__ import annotations


class GatewayError(Exception):
    """The root of all errors that the gateway raises on purpose."""


class ConfigError(GatewayError):
    """
    The configuration is wrong.

    Attributes:
        where: ``file:line`` and key, or the variable's name.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class StoreError(GatewayError):
    """The store could not do what it was asked."""


class StoreUnavailable(StoreError):
    """Nothing was written; the same call may succeed later."""


class StoreRefused(StoreError):
    """The file or database must not be used; the message says why and what to do."""


class LeaseLost(StoreError):
    """Another worker owns the lane now; nothing was written."""


class Revised(StoreError):
    """The question was changed while it was answered: nothing was written; take the message up again."""


class AdapterError(GatewayError):
    """The platform refused a call; the message is the platform's own code."""


class RateLimited(AdapterError):
    """
    The platform asked us to wait ``retry_after`` seconds; nothing was changed.

    Attributes:
        scope: Whose budget is spent (`Budget.scope`); empty where the platform did not tell.
    """

    def __init__(self, retry_after: float, message: str = "rate limited", *, scope: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.scope = scope


class OutcomeUnknown(AdapterError):
    """The platform may or may not have done it."""


class PostGone(AdapterError):
    """The post no longer exists or can no longer be edited."""


class Forbidden(AdapterError):
    """The bot may not speak there."""


class TooLong(AdapterError):
    """The text is longer than the platform takes."""


class StreamRefused(AdapterError):
    """No stream can begin there now; nothing was sent, and a post may be made at once."""


class StreamEnded(AdapterError):
    """The platform has ended the stream; nothing was appended, and the post can be mended."""


class StreamStopped(StreamEnded):
    """A person has ended the stream, by the platform's own button."""


class StreamOpen(AdapterError):
    """The post is still a stream; it must be stopped before it is edited."""


class Unmendable(AdapterError):
    """What was streamed can't be changed any more; it can be deleted."""


class BackendError(GatewayError):
    """
    A step failed.

    Attributes:
        code: A stable word for programs.
        retryable: The same step may be tried again.
        retry_after: Seconds that the provider asked us to wait; 0 when it said nothing.
    """

    code = "provider_error"
    retryable = False

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendUnavailable(BackendError):
    """The provider can't be reached, is overloaded, or limits our rate."""

    code = "provider_unavailable"
    retryable = True


class BackendRefused(BackendError):
    """The provider refuses the key, the model or the request."""

    code = "provider_refused"


class ContextOverflow(BackendError):
    """The window is too large for the model."""

    code = "context_overflow"


class StreamCut(BackendError):
    """The stream ended without a terminal event."""

    code = "stream_cut"
    retryable = True


class FileRefused(GatewayError):
    """This file may not be kept (too large, one too many), or has no text; the message says why."""


class NotAllowed(GatewayError):
    """This person may not ask there; the message says so in words for them."""


class ToolError(GatewayError):
    """Raise it in a tool: the model is given the message and the run goes on."""
