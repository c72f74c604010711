"""The Explorer as a page of its own, served by marimo for people without a notebook."""

from ._server import app as app

__all__ = ["app"]
