"""Files in and out: storage, what a file is, uploads, and downloads that land whole or not at all."""
