"""Attributions of texts: a score per token."""
