"""Sections with a template of their own: what was measured beside the held-out checks."""

from __future__ import annotations

from markupsafe import Markup

from haiga.reporting.facts import RunFacts
from haiga.reporting.page import template


def measured(run: RunFacts) -> Markup:
    """The sections as HTML; what comes from data is escaped by the template."""
    # What a template with escaping has made is markup; escaped again, it would be read as text.
    return Markup(template("measured.html.j2").render(run=run))
