"""Whether a video is any good: what is measured in it, the limits, and what happens when it fails."""
