"""What identifies the request of a paid operator, to its own tries and to other tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_vidai.arguments import positive_seconds
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.purchase.fingerprint import fingerprint, fingerprint_of_0_1
from airflow_provider_vidai.purchase.observe import Reuse

if TYPE_CHECKING:
    from airflow_provider_vidai.operators.paid import PaidOperator

__all__ = ["fingerprints", "shared_request"]

#: How old a purchase may be that is used again, in seconds, unless the task says otherwise.
REUSE_MAX_AGE = 86400.0


def fingerprints(operator: PaidOperator[Any]) -> tuple[str, ...]:
    """Return what identifies the request and the account: in today's form, and in that of version 0.1."""
    hook, asked = operator.hook, operator.asked()
    account = {"vendor": hook.vendor_name, "conn_id": hook.conn_id, "url": hook.account.base_url}
    old = {name: value for name, value in asked.items() if name not in operator.fields_since_0_1}
    # No argument's name begins with an @, so the account's facts never hide an argument.
    facts = {f"@{name}": value for name, value in account.items()}
    return fingerprint({**facts, **asked}), fingerprint_of_0_1({**account, "asked": old})


def shared_request(operator: PaidOperator[Any]) -> Reuse:
    """Return which purchases of other tasks serve ``operator`` too."""
    choices = {f"@{name}": literal(operator.given(name)) for name in operator.choice_fields}
    account: dict[str, Any] = {"@vendor": operator.hook.vendor_name, "@account": operator.hook.account.id}
    if operator.part is not None and operator.part.number > 1:
        # A further attempt is made because the first one was no good, so it must not be given that one.
        account["@attempt"] = operator.part.number
    request = fingerprint({**account, **choices, **operator.asked()})
    return Reuse(request, positive_seconds("reuse_max_age", operator.reuse_max_age) or REUSE_MAX_AGE)
