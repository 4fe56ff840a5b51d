"""Who watches a task's purchases: the book, and the budgets."""

from __future__ import annotations

from airflow_provider_vidai.purchase.observe import Buyer, Observers
from airflow_provider_vidai.spend.book import FOLDER, Book, BookKeeper
from airflow_provider_vidai.spend.files import ledger_files
from airflow_provider_vidai.spend.guard import BudgetGuard


def observer(buyer: Buyer) -> Observers:
    """Return all who watch the purchases of ``buyer``."""
    files = ledger_files(FOLDER)
    keepers = [BookKeeper(buyer, Book(files))] if files else []
    # The budgets come first: what they refuse is no purchase.
    return Observers([BudgetGuard(buyer), *keepers], buyer.log)
