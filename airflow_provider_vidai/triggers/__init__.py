"""The one trigger that waits for jobs of every vendor."""
