"""What wakes waiting tasks, starts DAGs and tells people. All of it can be deleted."""
