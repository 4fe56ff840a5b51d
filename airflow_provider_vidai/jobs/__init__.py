"""Jobs, their status and their outputs, as data that the vendors build and the rest of the package uses."""
