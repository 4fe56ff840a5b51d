"""The media work: footage is measured, the best of it chosen, cut, cropped, mixed and encoded."""
