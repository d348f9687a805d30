"""Decode once, scale, encode a ladder; all in worker processes."""
