"""What wakes waiting tasks, starts DAGs and notifies people. All of it can be deleted."""
