"""Data set formats: read, check, convert (standard library and Pillow)."""
