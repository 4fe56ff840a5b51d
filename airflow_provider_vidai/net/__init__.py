"""All traffic with the vendors: calls, status checks and file bodies, under one policy."""
