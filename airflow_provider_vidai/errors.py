"""What can go wrong, and what it means for the money.

Two questions decide what a caller does next. Was anything bought? :class:`InputError` and :class:`ApiError`
concern one call, :class:`JobError` concerns a job that exists or may exist. And can the same thing be tried
again?
"""

from __future__ import annotations

import math
from typing import Final, Literal

#: What is known about a charge. It is "maybe" whenever the vendor does not say.
Charged = Literal["no", "maybe", "yes", "refunded"]
#: Those that leave no cost.
FREE: Final[tuple[Charged, ...]] = ("no", "refunded")

#: The longest wait that a vendor's answer can ask for, in seconds: a month. More than that is taken for a
#: mistake in a header, and a timer for a moment past the year 9999 could not even be made.
LONGEST_WAIT = 30 * 86400.0

#: The sentence on the money that ends every message about a job.
MONEY: dict[Charged, str] = {
    "no": "Nothing was charged.",
    "maybe": "It may have been charged.",
    "yes": "It was charged.",
    "refunded": "The charge was refunded.",
}


#: What clearing the failed task does, where the error knows it better than the task: a sentence for a person.
CLEAR_WAITS = "A Clear waits for the same job and buys nothing."
CLEAR_DECIDES = "A Clear buys again only if the job failed or is gone."
CLEAR_BUYS = "A Clear buys again."


class VidaiError(Exception):
    """Root of every error that this package raises itself.

    Its text is made of three parts, each of which is an attribute too.

    :param what: what happened, in whole sentences.
    :param todo: what to do now; empty where the text does not say it.
    :param fate: what became of the request and the money; it ends the text.
    """

    #: What is known about a charge; None where the error does not concern a purchase.
    charged: Charged | None = None
    #: What clearing the task does now; empty where ``todo`` says it, None where only the task knows it.
    clear: str | None = None

    def __init__(self, what: str = "", *, todo: str = "", fate: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.fate = fate

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.todo, self.fate) if part)

    @property
    def reason(self) -> str:
        """What happened, for messages that state the fate of the request and the money themselves."""
        return " ".join(part for part in (self.what, self.todo) if part)


class InputError(VidaiError):
    """The request itself is wrong, and a retry cannot help.

    :param message: what is wrong, in whole sentences.
    :param fate: what became of the request and the money; it ends the text of the error.
    """

    # It is raised before anything is sent, or for an answer by which the vendor refused the request.
    charged: Charged | None = "no"

    def __init__(self, message: str, fate: str = "Nothing was sent.", *, todo: str = "") -> None:
        super().__init__(message, todo=todo, fate=fate)


class LedgerError(VidaiError):
    """The record of the task's purchase could not be read or written. Nothing was sent."""


class OverBudgetError(InputError):
    """A purchase does not fit its budget. Nothing was sent."""


class ApiError(VidaiError):
    """One call got no usable answer.

    :param status: HTTP status, or None when there was no answer.
    :param retryable: whether the same call may succeed later.
    :param retry_after: seconds the vendor asked to wait, if it did.
    :param processed: whether the vendor can have acted on the request: "no" only when that is
        proven (the connection never opened, or the vendor said it refused the request).
    :param account: whether the answer concerns the key or the account (401, 402, 403), not the call.
    :param everybody: whether ``retry_after`` holds for all calls of the account, not only for this kind.
    :param todo: what to do now.
    :param fate: what became of the money, where that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        processed: Literal["no", "maybe"] = "maybe",
        account: bool = False,
        everybody: bool = True,
        todo: str = "",
        fate: str = "",
    ) -> None:
        super().__init__(message, todo=todo, fate=fate)
        self.status = status
        self.retryable = retryable
        # A header may say anything, and a timer accepts neither NaN nor infinity.
        known = retry_after is not None and not math.isnan(retry_after)
        self.retry_after = min(max(retry_after or 0.0, 0.0), LONGEST_WAIT) if known else None
        self.processed = processed
        self.account = account
        self.everybody = everybody

    def changed(self, *, fate: str | None = None, retry_after: float | None = None) -> ApiError:
        """Return a copy of this error that says something else about the money, or has another wait.

        An error is never edited in place: who caught it first may still log or judge what it said.
        """
        return type(self)(
            self.what,
            status=self.status,
            retryable=self.retryable,
            retry_after=self.retry_after if retry_after is None else retry_after,
            processed=self.processed,
            account=self.account,
            everybody=self.everybody,
            todo=self.todo,
            fate=self.fate if fate is None else fate,
        )


class TransferError(VidaiError):
    """A file could not be transferred whole; nothing is left at the destination.

    :param retryable: whether the same transfer may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class AddressGone(TransferError):
    """The only URL that a file has answers that the file is not there.

    :param status: HTTP 404 or 410.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"The file's only URL answers HTTP {status}. Nothing was landed.", retryable=False)
        self.status = status


class JobError(VidaiError):
    """Something is wrong with a job that exists at the vendor, or may exist.

    :param charged: what is known about the charge for it.
    :param retryable: whether an automatic retry of the task can do something useful
        (re-attach, or buy again where that is safe).
    :param todo: what to do now.
    :param clear: what clearing the task does now; empty where ``todo`` says it, None where only the task
        knows it. It is no part of the text.
    """

    charged: Charged

    def __init__(
        self,
        message: str,
        *,
        charged: Charged = "maybe",
        retryable: bool = False,
        todo: str = "",
        clear: str | None = None,
    ) -> None:
        super().__init__(message, todo=todo, fate=MONEY[charged])
        self.charged = charged
        self.retryable = retryable
        self.clear = clear


class JobFailed(JobError):
    """The vendor says that the job failed."""


class JobTimedOut(JobError):
    """The job had not ended by the deadline. As far as is known it is still running; a retry re-attaches."""


class JobGone(JobError):
    """The vendor no longer has the job or its files."""


class LeaseOver(JobGone):
    """The vendor still has the job but certainly no longer its files."""


class CheckFailed(JobError):
    """A job's file is landed and whole, but is not what was wanted. The same file would fail again."""


class LostSubmit(JobError):
    """A purchase was sent and its outcome is not known."""
