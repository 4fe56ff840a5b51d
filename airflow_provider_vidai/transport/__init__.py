"""All network and file I/O: the two drivers of a Call, retry, budget, and file transfer."""
