"""Many requests in one task: one record for each of them, one trigger for all of their jobs."""
