"""Ready-made pieces of DAGs, built from the operators."""
