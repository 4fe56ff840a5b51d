"""Storage, checks of media files, uploads, and downloads that are whole or absent."""
