"""The steps of a comparison: places one by one, then what they say together.

Everything lies in one folder: `places/NAME/` has the models of a place, which a killed run goes on
from, its `gallery.png`, and at its end `result.json`; `report.html`, `report.png`, `report.md` and
`results.json` are of all places.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from pydantic import TypeAdapter, ValidationError

from ab_test.comparison import Comparison, Said, digest_of, n_models
from ab_test.figures import gallery_png, improvements_png
from ab_test.place import place_of
from ab_test.report import markdown, render
from ab_test.results import PlaceResult
from ab_test.setting import AbSetting
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.cli.sources import source_named
from winnow.domain.errors import BadInput, DomainError
from winnow.runtime.parent import end_with_parent
from winnow.tasks.whole_files import write_whole

RESULTS = TypeAdapter(tuple[PlaceResult, ...])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all places."""

    results: tuple[PlaceResult, ...]
    failed: Mapping[str, str]
    """Place as it was named → why it has no result."""
    report: Path


def compare(
    place: str, setting: AbSetting, folder: Path, *, manual: Path | None, done: Said
) -> PlaceResult:
    """Give the result of one place; one that lies there of the same question is taken as it is.

    What decides is setting and list: of a place whose frames changed, remove the folder.

    Parameters
    ----------
    place
        A folder or COCO file with boxes, or a simulated town, `roads:town=0,frames=20000`.
    manual
        File with the frame names that a person chose, one a line; none: the curator chooses.

    Raises
    ------
    BadInput
        The place has no boxes, or too few frames; or the list cannot be read.
    """
    listed = None if manual is None else listed_in(manual)
    found = _stored(folder / "result.json", setting, digest_of(listed))
    if found is not None:
        for model in range(n_models(setting)):
            done(str(model))
        return found
    folder.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(
        place=place_of(source_named(Path(place), labels="boxes"), setting, PixelEncoder()),
        setting=setting,
        folder=folder,
        manual_frame_ids=listed,
        done=done,
    )
    result = comparison.run()
    write_whole(folder / "gallery.png", gallery_png(comparison))
    write_whole(folder / "result.json", result.model_dump_json().encode())
    return result


def listed_in(file: Path) -> list[str]:
    """Read names of frames, one a line; they may hold spaces.

    Raises
    ------
    BadInput
        There is no such file, or it is no text.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: expected names of frames, one a line, found: {error}"
        raise BadInput(msg) from error
    return [name for line in lines if (name := line.strip())]


def compare_all(
    places: Sequence[str],
    setting: AbSetting,
    out: Path,
    *,
    processes: int,
    manual: Path | None,
    done: Said,
) -> Outcome:
    """Compare at all places, several side by side, and write the report.

    A place that cannot be compared is told in the report; the others go on.

    Raises
    ------
    BadInput
        No place has a result, or two would keep theirs in one folder.
    """
    folders = {place: out / "places" / folder_name(place) for place in places}
    _refuse_shared(folders)
    results: dict[str, PlaceResult] = {}
    failed: dict[str, str] = {}
    context = multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(
            min(processes, len(places)), context, initializer=end_with_parent
        ) as pool,
    ):
        ready = manager.Queue()
        futures = {
            pool.submit(_compare_apart, place, setting, folder, manual, ready): place
            for place, folder in folders.items()
        }
        for future in _as_told(futures, ready, done):
            try:
                results[futures[future]] = future.result()
            except DomainError as error:
                failed[futures[future]] = str(error)
    ordered = tuple(results[place] for place in places if place in results)
    galleries = {
        results[place].name: (folder / "gallery.png").read_bytes()
        for place, folder in folders.items()
        if place in results
    }
    return Outcome(ordered, failed, write_report(ordered, galleries, failed, out))


def write_report(
    results: Sequence[PlaceResult],
    galleries: Mapping[str, bytes],
    failed: Mapping[str, str],
    out: Path,
) -> Path:
    """Write report and results of all places; give the page.

    Raises
    ------
    BadInput
        There is no result.
    """
    if not results:
        told = "".join(f"\n  {place}: {why}" for place, why in failed.items())
        msg = f"A/B: expected a place that can be compared, found none:{told}"
        raise BadInput(msg)
    png = improvements_png(results)
    page = render(results, improvements=png, galleries=galleries, failed=failed)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "report.png", png)
    write_whole(out / "report.md", markdown(results).encode())
    write_whole(out / "results.json", RESULTS.dump_json(tuple(results), indent=1))
    write_whole(out / "report.html", page.encode())
    return out / "report.html"


def folder_name(place: str) -> str:
    """Give a place's name as that of a folder.

    Examples
    --------
    >>> folder_name("roads:town=3,frames=500")
    'roads-town-3-frames-500'
    """
    return re.sub(r"[^\w.]+", "-", place).strip("-.") or "place"


def _refuse_shared(folders: Mapping[str, Path]) -> None:
    """Raise `BadInput` where two places would write the same files."""
    of_folder: dict[Path, str] = {}
    for place, folder in folders.items():
        if (other := of_folder.setdefault(folder, place)) != place:
            msg = f"places {other} and {place}: expected names that differ in letters and digits, "
            raise BadInput(f"{msg}found both in {folder}")


def _stored(path: Path, setting: AbSetting, manual_sha256: str) -> PlaceResult | None:
    try:
        found = PlaceResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    same = (found.setting, found.manual_sha256) == (setting, manual_sha256)
    return found if same else None


def _compare_apart(
    place: str,
    setting: AbSetting,
    folder: Path,
    manual: Path | None,
    ready: Queue[str],
) -> PlaceResult:
    """Compare in a process of its own: one core for torch, names of models over a queue."""
    return compare(
        place, setting, folder, manual=manual, done=lambda name: ready.put(f"{place} {name}")
    )


def _as_told(
    futures: Mapping[Future[PlaceResult], str], ready: Queue[str], done: Said
) -> Iterator[Future[PlaceResult]]:
    """Give futures as they end, telling of every model that is ready meanwhile."""
    waiting = set(futures)
    while waiting:
        try:
            ended = next(as_completed(waiting, timeout=0.5))
        except TimeoutError:
            ended = None
        while not ready.empty():
            done(ready.get())
        if ended is not None:
            waiting.discard(ended)
            yield ended
