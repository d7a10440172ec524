"""Control charts, shared by tables."""


def usual(values):
    """The median: a few bad days do not move it."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def cumulated(values, center, slack):
    """What piles up above the usual (one-sided CUSUM); it never falls below nothing."""
    total = 0.0
    for value in values:
        total = max(0.0, total + value - center - slack)
        yield total
