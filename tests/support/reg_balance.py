"""The balance of regularisation pictures, computed for itself."""


def balanced(counts, wanted):
    """How often an epoch has each regularisation picture: kohya's walk over them, step by step. counts: their own repeats."""
    repeats, total, is_first = [0] * len(counts), 0, True
    while counts and total < wanted:
        for place, count in enumerate(counts):
            added = count if is_first else 1
            repeats[place], total = repeats[place] + added, total + added
            if total >= wanted:
                break
        is_first = False
    return repeats
