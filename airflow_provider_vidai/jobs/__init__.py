"""What a job is, how it stands and what it delivered: data that the vendors build and the rest acts on."""
