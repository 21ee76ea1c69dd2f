"""What a reproduction came to, in words."""

from __future__ import annotations

from runner.hub.records.again import ReproducedFile, ReproductionRecord

MOST_NAMED = 5
"""Differing environment facts that are named in one sentence; the record has all."""


def verdict(record: ReproductionRecord) -> str:
    """One of the four answers, with what it rests on."""
    num_same = sum(one.identical for one in record.files)
    counted = f"{num_same} of {len(record.files)} deterministic files have the same bytes"
    if record.outcome == "identical":
        same = f"identical: all {len(record.files)} deterministic files are those of {record.hub}"
        return f"{same}{_although(record)}"
    if record.outcome == "not_comparable":
        reasons = "; ".join(record.reasons) or "there is nothing to set side by side"
        return f"not comparable: {reasons} ({counted})"
    if not record.facts:
        return (
            f"different, and the environments agree: {counted}; this is a defect of the code, of "
            f"phasehub or of a machine{_reasons(record)}"
        )
    num = len(record.facts)
    these = f"these {num} facts differ" if num > 1 else "this fact differs"
    facts = "; ".join(fact.told for fact in record.facts[:MOST_NAMED])
    more = f"; and {num - MOST_NAMED} more" if num > MOST_NAMED else ""
    return f"different, and {these}: {facts}{more} ({counted}){_reasons(record)}"


def _although(record: ReproductionRecord) -> str:
    if not record.facts:
        return ", and the environments agree"
    num = len(record.facts)
    return f", although the environments differ in {num} fact{'s' if num > 1 else ''}"


def _reasons(record: ReproductionRecord) -> str:
    return "".join(f"; {reason}" for reason in record.reasons)


def what_differs(one: ReproducedFile) -> str:
    """``identical``, or what is different."""
    if one.identical:
        return "identical"
    if one.after is None:
        return "not made again"
    if one.before is None:
        return "not in the original"
    found = one.finding
    if found is None:
        return "other bytes"
    ulp = found.get("ulp")
    far = f", {ulp:,} ULP" if isinstance(ulp, int) else ""
    count = ""
    if found.get("differing") is not None:
        count = f"; {found['differing']:,} of {found['total']:,} {found['unit']} differ"
    return f"{found['place']}: {found['before']} → {found['after']}{far}{count}"
