"""合併 and 裁撤: from a day on an agency is part of another one, or is no more.

The people serve at the other agency from that day, in departments of the same names; the past stays
where it was (ADR 29).  What else belongs to an agency is known above: the packages register a
`Consequence` each, which says on the preview what becomes of it, and carries it over.
"""
