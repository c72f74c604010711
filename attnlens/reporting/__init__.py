"""A report: views of one input or several as one HTML file that opens offline."""

from ._report import report

__all__ = ["report"]
