"""Developer tools, run from the project's folder: ``python -m tools.demo``, ``python -m tools.up``."""
