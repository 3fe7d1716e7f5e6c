"""Keys that older policies use, and where their values live now."""

from __future__ import annotations

from winnow.policy.reading import Document, Mistake, Path

FACTOR = "shortlist_factor"
SHORTLIST = "shortlist_k_center"
OLD: Path = ("selection", FACTOR)
NEW: Path = ("selection", "strategy", FACTOR)


def move(document: Document) -> None:
    """Put `selection.shortlist_factor` among the options of the strategy that it belongs to.

    Once every policy had it, whatever its strategy; for others it means nothing, as it did then.
    """
    selection = document.value.get("selection") if isinstance(document.value, dict) else None
    if not isinstance(selection, dict) or FACTOR not in selection:
        return
    factor = selection.pop(FACTOR)
    strategy = selection.get("strategy", SHORTLIST)
    options = dict(strategy) if isinstance(strategy, dict) else {"name": strategy}
    if options.get("name") != SHORTLIST:
        return
    if FACTOR in options:
        text = f"expected one value, found it in {'.'.join(map(str, NEW))} too"
        document.mistakes.append(Mistake(document.keys[OLD], OLD, text))
        return
    selection["strategy"] = {**options, FACTOR: factor}
    for places in (document.keys, document.values):
        places[NEW] = places[OLD]
        places.setdefault(NEW[:-1], places[OLD])
