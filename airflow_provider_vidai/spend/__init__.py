"""What was bought and what it cost: the book of purchases, and budgets."""
