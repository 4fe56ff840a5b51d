"""Who watches a task's purchases: those who share them, the budgets, and the book."""

from __future__ import annotations

from airflow_provider_vidai.purchase.observe import Buyer, Observers
from airflow_provider_vidai.spend.book import FOLDER, Book, BookKeeper
from airflow_provider_vidai.spend.files import ledger_files
from airflow_provider_vidai.spend.guard import BudgetGuard
from airflow_provider_vidai.spend.reuse import Sharing


def observer(buyer: Buyer) -> Observers:
    """Return all who watch the purchases of ``buyer``."""
    files = ledger_files(FOLDER)
    keepers = [BookKeeper(buyer, Book(files))] if files else []
    # What another task has bought needs no budget, and what the budgets refuse is no purchase.
    return Observers([Sharing(buyer), BudgetGuard(buyer), *keepers], buyer.log)
