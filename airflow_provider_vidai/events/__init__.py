"""What wakes waiting tasks, starts DAGs and tells people: calls, watchers, messages. All of it can be deleted."""
