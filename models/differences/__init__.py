"""Where two files that should have been the same begin to differ."""
