"""Whole data sets: a probe of every input, in one process or on Ray, into a directory that survives a kill."""

from ._audit import Audit, audit
from ._audit_rows import AuditRows
from ._compare_audits import AuditComparison, compare_audits
from ._head_pages import HeadPages, head_pages
from ._probe import Probe
from ._run import Run, run
from ._source import Row

__all__ = [
    "Audit",
    "AuditComparison",
    "AuditRows",
    "HeadPages",
    "Probe",
    "Row",
    "Run",
    "audit",
    "compare_audits",
    "head_pages",
    "run",
]
