"""What a download needs besides the job itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, JsonValue


class Delivery(BaseModel):
    """How the files of one purchase are delivered, as far as only the purchase could say it.

    Some Venice models return the only URL of a file with the purchase and never again. The ledger, the
    deferral and XCom keep that URL sealed; only the account's key opens it.

    :param sealed_url: where the file is, sealed; None where the vendor reports a finished job's files.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sealed_url: str | None = None

    def url(self, unseal: Callable[[str], str]) -> str | None:
        """Return the file's URL, or None where the vendor is asked for one.

        :param unseal: opens a sealed text with the account's key.
        """
        return None if self.sealed_url is None else unseal(self.sealed_url)

    def fields(self) -> dict[str, JsonValue]:
        """Return the fields that a task's result has for it: none for most jobs."""
        found: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return found


#: How most jobs are delivered: the vendor reports the files of a finished job with its status.
WITH_THE_STATUS: Final = Delivery()
