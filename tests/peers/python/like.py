"""Reads pairs of a LIKE pattern and a text as JSON and writes whether they match, found by a regular expression."""

import json
import re
import sys


def expression(pattern):
    """The regular expression of a pattern; none where a set does not end."""
    parts = []
    while pattern:
        first, pattern = pattern[0], pattern[1:]
        if first == "%":
            parts.append(".*")
        elif first == "_":
            parts.append(".")
        elif first == "[":
            inside, end, pattern = pattern.partition("]")
            if not end:
                return None
            parts.append(one_of(inside))
        else:
            parts.append(re.escape(first))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def one_of(inside):
    negated = inside.startswith("^")
    inside = inside[1:] if negated else inside
    if not inside:
        return "." if negated else "(?!)"
    ranges = ""
    while inside:
        if len(inside) > 2 and inside[1] == "-":
            start, end, inside = inside[0], inside[2], inside[3:]
            # Nothing lies between two that stand the wrong way round.
            if start <= end:
                ranges += re.escape(start) + "-" + re.escape(end)
        else:
            ranges += re.escape(inside[0])
            inside = inside[1:]
    if not ranges:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{ranges}]"


def matches(pattern, text):
    found = expression(pattern)
    return found is not None and found.fullmatch(text) is not None


json.dump([matches(pattern, text) for pattern, text in json.load(sys.stdin)], sys.stdout)
