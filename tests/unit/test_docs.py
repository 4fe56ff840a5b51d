"""What the README says and the code knows is the same."""

from __future__ import annotations

from tools.docs import README, with_tables


def test_the_readmes_decision_table_is_the_one_the_code_uses() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run: python -m tools.docs"
