"""Attributions of images: a score per pixel."""
