"""`winnow select`: from files to a batch, without any service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from winnow.acquisition.bald import bald
from winnow.cli import app
from winnow.cli.presets import NAMES
from winnow.strategies.protocol import Candidates
from winnow.strategies.registry import strategy_of

COLUMNS = [
    "rank", "frame_id", "utility", "reason", "inclusion_probability", "draw_probability",
    "price_micros", "arm", "score", "row",
]  # fmt: skip


@dataclass
class Files:
    """A pool as files in one folder; options of the next call."""

    folder: Path
    n: int
    ids: list[Any]
    embeddings: npt.NDArray[Any]
    probs: npt.NDArray[Any]
    columns: dict[str, Any] = field(default_factory=dict)
    labeled: str = ""
    policy: str = "selection: {batch_size: 10}\n"
    names: list[str] | None = None
    overwrite: bool = True

    def write(self) -> list[str]:
        table = pa.table({"frame_id": self.ids, **self.columns})
        table = table.rename_columns(self.names or table.column_names)
        pq.write_table(table, self.folder / "frames.parquet")
        np.save(self.folder / "emb.npy", self.embeddings)
        np.save(self.folder / "probs.npy", self.probs)
        (self.folder / "labeled.txt").write_text(self.labeled)
        (self.folder / "policy.yaml").write_text(self.policy)
        options = {
            "frames": "frames.parquet", "embeddings": "emb.npy", "probs": "probs.npy",
            "labeled": "labeled.txt", "policy": "policy.yaml", "out": "out",
        }  # fmt: skip
        replaces = ["--overwrite"] if self.overwrite else []
        return [part for name, file in options.items() for part in (f"--{name}", file)] + replaces


def files(folder: Path, n: int = 60, **changes: Any) -> Files:
    rng = np.random.default_rng(n)
    known: dict[str, Any] = {
        "ids": [f"frame-{(i * 7919) % 10_007:05d}" for i in range(n)],
        "embeddings": rng.standard_normal((n, 5)).astype(np.float32),
        "probs": rng.dirichlet(np.ones(3), (n, 2)).astype(np.float32),
    }
    return Files(folder, n, **(known | changes))


Select = Callable[..., Result]


@pytest.fixture
def select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Select:
    monkeypatch.chdir(tmp_path)

    def run(*options: object) -> Result:
        return CliRunner().invoke(app, ["select", *map(str, options)])

    return run


def batch(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "out" / "batch.parquet").to_pylist()
    return rows


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "manifest.json").read_bytes())
    return found


def test_a_batch_is_what_the_library_gives_for_the_same_arrays(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path)
    labeled = [3, 17, 40]
    given.labeled = "\n".join(given.ids[row] for row in labeled)
    given.policy = (
        "selection: {batch_size: 10, acquisition: bald, strategy: shortlist_k_center}\n"
        "random_arm: {share: 0}"
    )
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    rows = [row for row in range(given.n) if row not in labeled]
    expected = strategy_of("shortlist_k_center").choose(
        Candidates(
            frame_ids=np.array([given.ids[row] for row in rows]),
            scores_N=bald(given.probs[rows]),
            embeddings_ND=given.embeddings[rows],
            centers_LD=given.embeddings[labeled],
        ),
        10,
        seed=0,
    )
    found = batch(tmp_path)
    assert [row["row"] for row in found] == [rows[pick.pos] for pick in expected]
    assert [row["utility"] for row in found] == [pick.utility for pick in expected]
    assert list(found[0]) == COLUMNS
    assert [row["rank"] for row in found] == list(range(10))
    assert {row["arm"] for row in found} == {"policy"}
    assert {row["inclusion_probability"] for row in found} == {1.0}
    assert "10 of 57 frames" in result.output
    assert "left out: 3 labeled frames" in result.output


def test_the_same_files_give_the_same_bytes_and_the_order_of_the_rows_no_other_frames(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, labeled="frame-00000 0\n")
    assert select(*given.write()).exit_code == 0
    names = ("batch.parquet", "manifest.json")
    before = [(tmp_path / "out" / name).read_bytes() for name in names]
    chosen = [row["frame_id"] for row in batch(tmp_path)]
    assert select(*given.write()).exit_code == 0
    assert [(tmp_path / "out" / name).read_bytes() for name in names] == before
    turn = np.random.default_rng(1).permutation(given.n)
    turned = files(
        tmp_path,
        ids=[given.ids[i] for i in turn],
        embeddings=given.embeddings[turn],
        probs=given.probs[turn],
        labeled=given.labeled,
    )
    assert select(*turned.write()).exit_code == 0
    assert [row["frame_id"] for row in batch(tmp_path)] == chosen


def test_a_replay_is_identical_or_says_what_differs(select: Select, tmp_path: Path) -> None:
    given = files(tmp_path)
    given.embeddings[7, 2] = np.nan
    options = given.write()
    assert select(*options, "--budget-micros", 560_000, "--seed", 9).exit_code == 0
    assert len(batch(tmp_path)) == 7
    assert "identical, byte for byte (7 frames)" in select("--replay", "out").output
    rows = pq.read_table(tmp_path / "out" / "batch.parquet").to_pylist()
    rows[2]["reason"] = "because"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "out" / "batch.parquet")
    differs = select("--replay", "out")
    assert differs.exit_code == 1
    assert "batch.parquet, row 2, reason: recorded 'because', replayed" in differs.output
    asked = json.loads(select("--replay", "out", "--json").output)
    assert asked["identical"] is False


@pytest.mark.parametrize(
    ("entry", "changed", "exit_code", "expected"),
    [
        ("seed", 4, 1, "batch.parquet, row 0, frame_id: recorded"),
        ("notes", ["done"], 1, "what is told of it differs: notes"),
        ("versions", {"selector": "0"}, 1, "differs: versions; chosen by selector 0"),
        ("policy", {"colour": 3}, 2, "can choose by, found none in a manifest of selector"),
        ("inputs", {"frames": 3}, 2, "can choose by, found none in a manifest of selector"),
        ("inputs", [], 2, "can choose by, found none in a manifest of selector"),
        ("round", None, 0, "identical, byte for byte"),
    ],
)
def test_a_replay_says_what_is_wrong_with_a_manifest(
    select: Select, tmp_path: Path, entry: str, changed: object, exit_code: int, expected: str
) -> None:
    assert select(*files(tmp_path).write()).exit_code == 0
    document = manifest(tmp_path) | {entry: changed}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (tmp_path / "out" / "manifest.json").write_text(text, encoding="utf-8")
    found = select("--replay", "out")
    assert found.exit_code == exit_code, found.output
    assert expected in found.output + found.stderr


def test_a_replay_of_other_inputs_is_refused_and_names_each(select: Select, tmp_path: Path) -> None:
    given = files(tmp_path)
    assert select(*given.write()).exit_code == 0
    given.probs[0] = given.probs[1]
    given.labeled = given.ids[5]
    given.write()
    refused = select("--replay", "out")
    assert refused.exit_code == 2
    assert "probs.npy: expected SHA-256" in refused.stderr
    assert "labeled.txt: expected SHA-256" in refused.stderr
    assert "emb.npy" not in refused.stderr
    (tmp_path / "probs.npy").rename(tmp_path / "elsewhere.npy")
    assert "expected a readable file" in select("--replay", "out").stderr
    assert "--replay: expected only inputs" in select("--replay", "out", "--seed", 3).stderr


def test_the_manifest_tells_inputs_policy_switch_and_composition(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, policy="name: night\nselection: {batch_size: 4}\nseed: 5\n")
    assert select(*given.write()).exit_code == 0
    found = manifest(tmp_path)
    digest = hashlib.sha256((tmp_path / "emb.npy").read_bytes()).hexdigest()
    assert found["inputs"]["embeddings"]["sha256"] == digest
    assert found["inputs"]["probs"]["shape"] == [60, 2, 3]
    assert found["policy"]["name"] == "night"
    assert found["seed"] == 5
    assert found["switch"]["because"] == "no cold start: a committee answered"
    assert found["scores"] == {"how": "margin", "weights": {"margin": 1.0}}
    data = (tmp_path / "out" / "batch.parquet").read_bytes()
    assert found["outputs"]["batch.parquet"]["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "ids",
    [
        list(range(100, 160)),
        [-(2**62) + i * 3 for i in range(60)],
        pa.array(range(2**64 - 60, 2**64), type=pa.uint64()),
        [f"{i:032x}" for i in range(60)],
        [f"bild {i}, ä" for i in range(60)],
        ["x" * 300 + str(i) for i in range(60)],
        pa.array([f"f{i}" for i in range(60)]).dictionary_encode(),
        pa.array([f"f{i}" for i in range(60)], type=pa.large_string()),
        pa.array([i.to_bytes(16, "big") for i in range(60)], type=pa.binary(16)),
    ],
    ids=lambda ids: str(getattr(ids, "type", ids[0]))[:20],
)
def test_frame_ids_may_have_any_form_and_come_back_as_they_were(
    select: Select, tmp_path: Path, ids: Any
) -> None:
    given = files(tmp_path, ids=ids, policy="selection: {batch_size: 60}")
    assert select(*given.write()).exit_code == 0
    known = pa.table({"frame_id": ids})["frame_id"].to_pylist()
    known = [value.hex() if isinstance(value, bytes) else value for value in known]
    rows = batch(tmp_path)
    assert [row["frame_id"] for row in rows] == [known[row["row"]] for row in rows]
    assert sorted(row["row"] for row in rows) == list(range(60))
    assert "identical" in select("--replay", "out").output


def test_numbers_are_ordered_as_numbers_where_everything_else_is_equal(
    select: Select, tmp_path: Path
) -> None:
    given = files(
        tmp_path, ids=[10, 9, -1, 100, 2, -20] * 1, n=6,
        embeddings=np.zeros((6, 2), np.float32), probs=np.full((6, 1, 2), 0.5),
        policy="selection: {batch_size: 6, strategy: top_k}\nrandom_arm: {share: 0}",
    )  # fmt: skip
    assert select(*given.write()).exit_code == 0
    assert [row["frame_id"] for row in batch(tmp_path)] == [-20, -1, 2, 9, 10, 100]


def test_rows_that_hold_no_numbers_are_refused_all_told_and_left_out(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, policy="selection: {batch_size: 60}")
    given.embeddings[3, 1] = np.nan
    given.embeddings[4, 0] = np.inf
    given.embeddings[5, 4] = 1e30
    given.embeddings[6] = 0.0
    given.probs[7, 1] = [0.9, 0.9, 0.2]
    given.probs[8, 0, 0] = -0.5
    given.probs[9, 0, 0] = np.nan
    given.labeled = f"{given.ids[3]} 0\n{given.ids[10]} 1\n"
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    refused = pq.read_table(tmp_path / "out" / "refused.parquet").to_pylist()
    assert [row["row"] for row in refused] == [3, 4, 5, 7, 8, 9]
    assert [row["frame_id"] for row in refused] == [given.ids[r] for r in (3, 4, 5, 7, 8, 9)]
    assert refused[0]["reason"] == (
        "embedding: expected finite numbers up to 1e+15, found nan at place 1"
    )
    assert refused[3]["reason"] == "probabilities: member 1: expected a sum of 1, found the sum 2"
    assert refused[4]["reason"] == "probabilities: member 0: expected a sum of 1, found -0.5"
    assert {row["row"] for row in batch(tmp_path)} == set(range(60)) - {3, 4, 5, 7, 8, 9, 10}
    assert "refused: 6 rows" in result.output
    assert f"row 3, frame {given.ids[3]}: embedding" in result.output
    assert "fewer than the 60 asked for: the pool has only 53 frames" in result.output
    assert manifest(tmp_path)["frames"] == {
        "all": 60, "labeled": 1, "labeled_unknown": [], "pool": 53, "refused": 6,
        "duplicates": 0,
    }  # fmt: skip
    given.embeddings = np.nan_to_num(given.embeddings, posinf=0) * (given.embeddings < 1e29)
    given.probs = np.full((60, 2, 3), 1 / 3)
    assert select(*given.write()).exit_code == 0
    assert not (tmp_path / "out" / "refused.parquet").exists()


@pytest.mark.parametrize("strategy", ["k_center", "bait"])
def test_labeled_frames_that_no_committee_answered_about_keep_new_ones_away_all_the_same(
    select: Select, tmp_path: Path, strategy: str
) -> None:
    policy = f"selection: {{batch_size: 5, strategy: {strategy}}}\nrandom_arm: {{share: 0}}"
    given = files(tmp_path, policy=policy)
    given.labeled = "\n".join(given.ids[:20])
    given.probs[:20] = 1 / 3
    assert select(*given.write()).exit_code == 0
    expected = [row["row"] for row in batch(tmp_path)]
    given.probs[:20] = np.nan
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    assert [row["row"] for row in batch(tmp_path)] == expected
    assert "refused: 20 rows" in result.output


@pytest.mark.parametrize(
    "rule", ["{gap_seconds: 2}", "{caps: {session: 1}, caps_count_labeled: true}"]
)
def test_a_labeled_frame_without_numbers_counts_in_gaps_and_caps(
    select: Select, tmp_path: Path, rule: str
) -> None:
    times = pa.array([1_000_000 * (row // 2) for row in range(60)], type=pa.timestamp("us"))
    columns = {"session": [f"s{row // 2}" for row in range(60)], "captured_at": times}
    policy = f"selection: {{batch_size: 60}}\nrandom_arm: {{share: 0}}\nconstraints: {rule}"
    given = files(tmp_path, columns=columns, policy=policy)
    given.labeled = "\n".join(given.ids[:20:2])
    given.embeddings[:20:2] = np.nan
    assert select(*given.write()).exit_code == 0
    chosen = [row["row"] for row in batch(tmp_path)]
    assert len(chosen) == 20
    assert min(chosen) >= 20


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"probs": np.full((60, 2, 3), [-1.0, 0.5, 2.0])},
            "probabilities: member 0: expected a sum of 1, found -1; logits become probabilities "
            "by a softmax over the classes",
        ),
        (
            {"probs": np.full((60, 2, 3), 0.3)},
            "probabilities: member 0: expected a sum of 1, found the sum 0.9; logits become",
        ),
        (
            {"embeddings": np.full((60, 5), np.nan)},
            "embedding: expected finite numbers up to 1e+15, found nan at place 0",
        ),
    ],
)
def test_a_pool_without_a_single_sound_row_is_refused_and_leaves_nothing(
    select: Select, tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    given = files(tmp_path, **change)
    given.labeled = f"{given.ids[0]} 0\n"
    result = select(*given.write())
    assert result.exit_code == 2, result.output
    assert "frames.parquet: expected frames with finite embeddings and probabilities" in (
        result.stderr
    )
    assert "found none among 59: every row is refused, the first: row 1" in result.stderr
    assert expected in result.stderr
    assert ("softmax" in result.stderr) == ("probs" in change)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labeled", "classes"),
    [
        ("a\nb\n", None),
        ("# the seed set\n\na\tcar\nb\tbike\n", ["car", "bike"]),
        ("a,car\nb, bike\n", ["car", "bike"]),
        ("a car\r\nb   bike\r\n", ["car", "bike"]),
        ("\ufeffa 1\nb 0", ["1", "0"]),
        ("a b\nb\n", None),
    ],
)
def test_labeled_frames_come_with_a_class_or_without(
    select: Select, tmp_path: Path, labeled: str, classes: list[str] | None
) -> None:
    given = files(tmp_path, n=4, ids=["a", "b", "a b", "d"], labeled=labeled)
    names = [] if classes is None or "car" not in classes else ["--class-names", "car,bike,person"]
    result = select(*given.write(), *names)
    assert result.exit_code == 0, result.output
    n_labeled = 2
    assert manifest(tmp_path)["frames"]["labeled"] == n_labeled
    rows = {row["frame_id"] for row in batch(tmp_path)}
    assert rows == ({"a", "d"} if labeled.startswith("a b") else {"a b", "d"})


@pytest.mark.parametrize(
    ("labeled", "expected"),
    [
        ("nobody\n", "expected ids of the frames, found none of them: nobody"),
        ("frame-00000\nframe-00000\n", "line 2: 'frame-00000' is already named in line 1"),
        ("frame-00000 1\nframe-07919\n", "line 2: expected an id and its class"),
        ("frame-00000 boat\n", "expected the names of 3 classes in the order of the probabilities"),
        ("frame-00000 7\n", "labels: expected one of 0, 1, 2, found 7"),
    ],
)
def test_labels_that_cannot_be_are_refused(
    select: Select, tmp_path: Path, labeled: str, expected: str
) -> None:
    result = select(*files(tmp_path, labeled=labeled).write())
    assert result.exit_code == 2
    assert expected in result.stderr


def test_labels_of_frames_elsewhere_are_told_and_keep_nothing_away(
    select: Select, tmp_path: Path
) -> None:
    result = select(*files(tmp_path, labeled="frame-00000\nother-1\nother-2\n").write())
    assert result.exit_code == 0
    assert "2 labeled ids are no frames and keep nothing away: other-1, other-2" in result.output
    assert manifest(tmp_path)["frames"]["labeled_unknown"] == ["other-1", "other-2"]


def test_prices_tags_and_scores_of_the_frames_count(select: Select, tmp_path: Path) -> None:
    n = 60
    tags = [
        json.dumps({"weather": "fog" if i % 15 == 0 else "sun", "speed": i / 2}) for i in range(n)
    ]
    given = files(tmp_path, columns={
        "price_micros": [1000 * (1 + i % 3) for i in range(n)],
        "tags": tags,
        "mi_person": np.linspace(0, 1, n),
        "session": [f"s{i // 6}" for i in range(n)],
        "captured_at": pa.array(np.arange(n) * 1_000_000, type=pa.timestamp("us")),
        "lane": pa.array([None if i % 2 else 3 for i in range(n)], type=pa.int32()),
    }, policy="""
selection: {batch_size: 12, strategy: top_k}
random_arm: {share: 0}
scores: {terms: [{column: mi_person}], only: speed > 4}
constraints:
  gap_seconds: 2
  caps: {session: 2}
  minimums: [{column: weather, value: fog, frames: 2}, {column: lane, value: 3, frames: 5}]
""")  # fmt: skip
    result = select(*given.write(), "--budget-micros", 20_000)
    assert result.exit_code == 0, result.output
    rows = batch(tmp_path)
    assert sum(row["price_micros"] for row in rows) <= 20_000
    assert all(row["price_micros"] == 1000 * (1 + row["row"] % 3) for row in rows)
    chosen = [row["row"] for row in rows]
    assert min(chosen) > 8
    assert len([i for i in chosen if i % 15 == 0]) >= 2
    assert len([i for i in chosen if i % 2 == 0]) >= 5
    sessions = [i // 6 for i in chosen]
    assert max(sessions.count(s) for s in sessions) <= 2
    assert "not read, as the policy needs none of it: embeddings" in result.output


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_finer_than_microseconds_keep_their_gaps(
    select: Select, tmp_path: Path, zone: str | None
) -> None:
    nanoseconds = np.arange(60) * 500_000_123
    policy = "selection: {batch_size: 40}\nrandom_arm: {share: 0}\nconstraints: {gap_seconds: 1}"
    given = files(tmp_path, policy=policy, columns={
        "session": pa.array([f"s{i // 20}" for i in range(60)], type=pa.string_view()),
        "captured_at": pa.array(nanoseconds, type=pa.timestamp("ns", tz=zone)),
    })  # fmt: skip
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    chosen = sorted(row["row"] for row in batch(tmp_path))
    assert 21 <= len(chosen) <= 30
    pairs = [(a, b) for a, b in pairwise(chosen) if a // 20 == b // 20]
    assert all(nanoseconds[b] - nanoseconds[a] >= 10**9 for a, b in pairs)


def test_sessions_and_clusters_that_are_no_number_are_unknown(
    select: Select, tmp_path: Path
) -> None:
    some = pa.array([float("nan") if i % 2 else float(i // 20) for i in range(60)])
    policy = "selection: {batch_size: 60}\nconstraints: {caps: {session: 1}}"
    given = files(tmp_path, policy=policy, columns={"session": some, "cluster": some})
    assert select(*given.write()).exit_code == 0
    chosen = [row["row"] for row in batch(tmp_path)]
    assert len([row for row in chosen if row % 2]) == 30
    assert len(chosen) == 33


def test_a_labeled_id_may_look_like_a_comment(select: Select, tmp_path: Path) -> None:
    given = files(tmp_path, ids=[f"#{i}" for i in range(60)])
    given.labeled = "# the seed set\n#3\n#4\n"
    result = select(*given.write())
    assert "left out: 2 labeled frames" in result.output
    given.labeled = "# the seed set\n#3 0\n#4\t1\n"
    result = select(*given.write())
    assert "left out: 2 labeled frames" in result.output
    assert "labeled ids are no frames" not in result.output


def test_numbers_too_large_for_floats_are_names(select: Select, tmp_path: Path) -> None:
    serials = pa.array([10**18 + row % 6 for row in range(60)], type=pa.int64())
    caps = f"{{vehicle: {{{10**18 + 1}: 0, {10**18 + 2}: 3, {10**18 + 3}: 0}}}}"
    policy = (
        f"selection: {{batch_size: 60}}\nconstraints: {{caps: {caps}}}\nrandom_arm: {{share: 0}}"
    )
    given = files(tmp_path, policy=policy, columns={"vehicle": serials})
    assert select(*given.write()).exit_code == 0
    chosen = [row["row"] % 6 for row in batch(tmp_path)]
    assert [chosen.count(vehicle) for vehicle in range(6)] == [10, 0, 3, 0, 10, 10]


def test_texts_may_be_stored_as_views(select: Select, tmp_path: Path) -> None:
    site = pa.array([f"p{i % 4}" for i in range(60)], type=pa.string_view())
    policy = "constraints: {caps: {site: 2}}\nrandom_arm: {share: 0}"
    given = files(tmp_path, policy=policy, columns={"site": site})
    assert select(*given.write()).exit_code == 0
    assert len(batch(tmp_path)) == 8


def test_only_columns_that_the_policy_needs_are_read(
    select: Select, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = pq.ParquetFile.read

    def spy(self: Any, *args: Any, columns: list[str] | None = None, **more: Any) -> Any:
        assert columns is not None
        read.extend(columns)
        return original(self, *args, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read", spy)
    columns = {name: ["x"] * 60 for name in ("vehicle", "site", "session", "notes", "weather")}
    given = files(tmp_path, columns=columns)
    given.policy = "selection: {batch_size: 5, strategy: top_k}\nconstraints: {caps: {site: 3}}"
    assert select(*given.write()).exit_code == 0
    assert set(read) == {"frame_id", "site"}


def test_examples_may_be_embeddings_or_frames(select: Select, tmp_path: Path) -> None:
    given = files(
        tmp_path, policy="selection: {batch_size: 3, strategy: mining}\nrandom_arm: {share: 0}"
    )
    options = given.write()
    refused = select(*options)
    assert refused.exit_code == 2
    assert "--examples: the policy needs examples" in refused.stderr
    np.save(tmp_path / "failures.npy", given.embeddings[[7]] + 1e-3)
    (tmp_path / "failures.txt").write_text(given.ids[7])
    for file in ("failures.npy", "failures.txt"):
        result = select(*options, "--examples", file)
        assert result.exit_code == 0, result.output
        assert batch(tmp_path)[0]["row"] == 7
        assert "identical" in select("--replay", "out").output
    np.save(tmp_path / "failures.npy", given.embeddings[[7], :3])
    assert "expected 5 finite numbers" in select(*options, "--examples", "failures.npy").stderr


@pytest.mark.parametrize(
    ("examples", "first"),
    [
        ("{frame_ids: [ID]}", {7}),
        ("{column: incident, value: near_miss}", {3}),
        ("{frame_ids: [ID], column: incident, value: near_miss}", {3, 7}),
    ],
)
def test_a_policy_may_name_its_examples(
    select: Select, tmp_path: Path, examples: str, first: set[int]
) -> None:
    incidents = ["near_miss" if row == 3 else "" for row in range(60)]
    given = files(tmp_path, columns={"incident": incidents})
    rules = f"selection: {{batch_size: {len(first)}, strategy: mining, examples: {examples}}}\n"
    given.policy = rules.replace("ID", f"'{given.ids[7]}'") + "random_arm: {share: 0}"
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    assert {row["row"] for row in batch(tmp_path)} == first
    assert "identical" in select("--replay", "out").output


def test_examples_that_no_frame_is_are_told(select: Select, tmp_path: Path) -> None:
    rules = "selection: {batch_size: 2, strategy: mining, examples: {frame_ids: [gone]}}"
    refused = select(*files(tmp_path, policy=rules).write())
    assert refused.exit_code == 2
    assert "selection.examples: expected 1 named frames, found none of them" in refused.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_may_be_named_instead_of_a_file(select: Select, tmp_path: Path, name: str) -> None:
    options = files(tmp_path).write()
    options[options.index("policy.yaml")] = name
    result = select(*options)
    assert result.exit_code == 0, result.output
    assert manifest(tmp_path)["policy"]["description"].startswith("Use it")
    assert len(batch(tmp_path)) == 60


def test_without_probabilities_the_cold_start_chooses(select: Select, tmp_path: Path) -> None:
    options = files(tmp_path).write()
    at = options.index("--probs")
    result = select(*options[:at], *options[at + 2 :])
    assert result.exit_code == 0, result.output
    assert "chosen by kmeans (" in result.output
    assert {row["score"] for row in batch(tmp_path)} == {None}


EDGES: dict[str, dict[str, Any]] = {
    "as many frames as there are": {"policy": "selection: {batch_size: 60}"},
    "more than there are": {"policy": "selection: {batch_size: 600}"},
    "all rows equal": {"embeddings": np.ones((60, 5), np.float32)},
    "zero vectors": {"embeddings": np.zeros((60, 5), np.float32)},
    "all duplicates": {"columns": {"cluster": ["c"] * 60}},
    "one class": {"probs": np.ones((60, 2, 1), np.float32)},
    "one member without its axis": {"probs": np.full((60, 4), 0.25)},
    "half precision": {"probs": np.full((60, 2, 4), 0.25, np.float16)},
    "double precision": {"embeddings": np.ones((60, 5)), "probs": np.full((60, 2, 4), 0.25)},
    "whole numbers": {"embeddings": np.arange(300).reshape(60, 5)},
    "column-major": {"embeddings": np.asfortranarray(np.arange(300.0).reshape(60, 5))},
    "every session one frame": {
        "columns": {"session": [f"s{i}" for i in range(60)]},
        "policy": "selection: {batch_size: 20}\nconstraints: {caps: {session: 1}}",
    },
}


def test_the_arm_and_the_choice_take_one_frame_of_a_cluster_and_none_of_a_labeled_one(
    select: Select, tmp_path: Path
) -> None:
    clusters = [f"c{i // 3}" for i in range(60)]
    given = files(
        tmp_path,
        columns={"cluster": clusters},
        policy="selection: {batch_size: 60}\nrandom_arm: {share: 0.5}",
    )
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    cluster_of = dict(zip(map(str, given.ids), clusters, strict=True))
    chosen = [cluster_of[str(row["frame_id"])] for row in batch(tmp_path)]
    assert len(chosen) == len(set(chosen))
    counts = manifest(tmp_path)["frames"]
    assert len(chosen) == counts["pool"] == 60 - counts["labeled"] - counts["duplicates"]


@pytest.mark.parametrize("edge", EDGES)
def test_pools_at_the_edge_work_or_say_why_fewer(select: Select, tmp_path: Path, edge: str) -> None:
    given = files(tmp_path, **EDGES[edge])
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    asked = manifest(tmp_path)["batch"]["asked"]
    rows = batch(tmp_path)
    assert len({row["frame_id"] for row in rows}) == len(rows)
    if edge == "all duplicates":
        assert len(rows) == 1
        assert "left out: 59 near-duplicates of frames that stay" in result.output
    elif edge == "more than there are":
        assert len(rows) == 60
        assert "fewer than the 600 asked for: the pool has only 60 frames" in result.output
    else:
        assert len(rows) == asked


def test_an_empty_pool_gives_an_empty_batch(select: Select, tmp_path: Path) -> None:
    given = files(tmp_path, n=3)
    given.labeled = "\n".join(given.ids)
    result = select(*given.write())
    assert result.exit_code == 0, result.output
    assert batch(tmp_path) == []
    assert "fewer than the 10 asked for: the pool has only 0 frames" in result.output
    assert "identical" in select("--replay", "out").output
    nothing = files(tmp_path, n=0, ids=pa.array([], type=pa.string()))
    assert select(*nothing.write()).exit_code == 0


def test_no_money_buys_no_frame(select: Select, tmp_path: Path) -> None:
    result = select(*files(tmp_path).write(), "--budget-micros", 79_999)
    assert result.exit_code == 0, result.output
    assert "asked for: 79999 micros are left, no other frame costs so little" in result.output
    assert batch(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ids": ["a"] * 60}, "1 id(s) stand in several rows, the first: a"),
        ({"ids": [None, *range(59)]}, "column frame_id: 1 row(s) have none, the first: [0]"),
        ({"ids": [0.5 + i for i in range(60)]}, "expected texts or whole numbers, found double"),
        ({"embeddings": np.ones((59, 5))}, "expected a row for each of 60 frames, found 59"),
        ({"embeddings": np.ones(60)}, "expected shape [frames, D], found (60,)"),
        ({"embeddings": np.ones((60, 0))}, "expected shape [frames, D], found (60, 0)"),
        ({"probs": np.ones((60, 2, 3, 4))}, "expected shape [frames, members, classes]"),
        ({"probs": np.array([["a"] * 3] * 60)}, "expected numbers, found <U1"),
        ({"probs": np.array([[None] * 3] * 60)}, "expected an array written by numpy.save"),
        ({"policy": "selection: {batch_size: 0}"}, "expected greater than or equal to 1 (found 0)"),
        (
            {"policy": "constraints: {gap_seconds: 1}"},
            "expected the columns or tags captured_at, session, found frame_id",
        ),
        (
            {"policy": "constraints: {caps: {driver: 1}}", "columns": {"vehicle": ["v"] * 60}},
            "expected the columns or tags driver, found frame_id, vehicle",
        ),
        (
            {"policy": "scores: {terms: [{column: notes}]}", "columns": {"notes": ["x"] * 60}},
            "expected a column of numbers 'notes', found texts",
        ),
        (
            {"columns": {"price_micros": [-1] * 60}},
            "column price_micros: expected whole micros from 0",
        ),
        (
            {"policy": "constraints: {gap_seconds: 1}",
             "columns": {"session": ["s"] * 60, "captured_at": list(range(60))}},
            "column captured_at: expected timestamps, found int64",
        ),
        (
            {"policy": "constraints: {gap_seconds: 1}",
             "columns": {"session": ["s"] * 60,
                         "captured_us": pa.array([2**63] * 60, type=pa.uint64())}},
            "column captured_us: expected what can be read as int64, found uint64",
        ),
        (
            {"policy": "constraints: {caps: {a: 1}}", "columns": {"a": ["x"] * 60, "b": ["y"] * 60},
             "names": ["frame_id", "a", "a"]},
            "frames: expected one column of each name, found several of a",
        ),
        (
            {"columns": {"a": ["x"] * 60}, "names": ["frame_id", "frame_id"]},
            "expected one column frame_id, found frame_id, frame_id",
        ),
        (
            {"policy": "constraints: {caps: {session: 1}}",
             "columns": {"session": [{"drive": 1}] * 60}},
            "column session: expected what can be read as string, found struct<drive: int64>",
        ),
        (
            {"policy": "constraints: {caps: {site: 1}}", "columns": {"tags": [{"site": 1}] * 60}},
            "column tags: expected texts that are JSON objects, found struct<site: int64>",
        ),
        (
            {"policy": "constraints: {caps: {site: 1}}",
             "columns": {"tags": ['{"site": ' + "1" * 5000 + "}"] * 60}},
            "column tags: expected a JSON object, found",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_clear_refusal_and_leaves_nothing(
    select: Select, tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    result = select(*files(tmp_path, **change).write())
    assert result.exit_code == 2, result.output
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_table_with_broken_pages_is_named(select: Select, tmp_path: Path) -> None:
    options = files(tmp_path, n=2_000).write()
    path = tmp_path / "frames.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes(3_000) + data[3_040:])
    result = select(*options)
    assert result.exit_code == 2, result.output
    assert "frames.parquet: expected a whole Parquet file, found" in result.stderr


def test_files_that_are_none_are_named(select: Select, tmp_path: Path) -> None:
    options = files(tmp_path).write()
    assert "expected --frames and --out" in select().stderr
    for name in ("frames", "embeddings", "probs", "labeled", "policy"):
        at = options.index(f"--{name}") + 1
        other = [*options[:at], "none", *options[at + 1 :]]
        result = select(*other)
        assert result.exit_code == 2
        assert "none: expected a readable file" in result.stderr
    for name in ("frames.parquet", "emb.npy", "probs.npy"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"what is this")
        result = select(*options)
        assert result.exit_code == 2
        assert f"{name}: expected" in result.stderr
        (tmp_path / name).write_bytes(data)


def test_help_says_the_shapes_of_arrays(select: Select) -> None:
    shown = " ".join(select("--help").output.replace("│", " ").split())
    for shape in ("[frames, D]", "[frames, members, classes]", "[examples, D]"):
        assert f".npy {shape}" in shown


def test_a_folder_that_is_no_selections_is_left_alone(select: Select, tmp_path: Path) -> None:
    options = files(tmp_path).write()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{}")
    assert "expected 'winnow.selection'" in select(*options).stderr
    assert "expected 'winnow.selection'" in select("--replay", "out").stderr
    assert "found: No such file or directory" in select("--replay", "nowhere").stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.json"]
    (tmp_path / "file").write_text("")
    options[options.index("out")] = "file"
    assert "expected a folder to write to" in select(*options).stderr


def test_a_batch_never_takes_the_place_of_what_it_is_chosen_from(
    select: Select, tmp_path: Path
) -> None:
    options = files(tmp_path).write()
    assert select(*options).exit_code == 0
    before = (tmp_path / "out" / "batch.parquet").read_bytes()
    policy = ("--policy", "random.yaml", "--out", "out")
    (tmp_path / "random.yaml").write_text("selection: {strategy: random, batch_size: 3}")
    result = select("--frames", "elsewhere/../out/batch.parquet", *policy)
    assert result.exit_code == 2, result.output
    assert "--out: expected a folder whose files are no inputs, found" in result.stderr
    assert (tmp_path / "out" / "batch.parquet").read_bytes() == before


def test_the_summary_as_json_is_the_manifest(select: Select, tmp_path: Path) -> None:
    result = select(*files(tmp_path).write(), "--json")
    assert json.loads(result.stdout) == manifest(tmp_path)


def test_the_cold_start_is_decided_once_by_all_classes_and_labels_that_were_given(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, labeled="frame-00000 0\nframe-07919 0\n")
    given.policy = "selection: {batch_size: 5, strategy: top_k, cold_start: k_center, "
    given.policy += "switch: {labels_per_class_min: 1}}"
    assert select(*given.write()).exit_code == 0
    because = "cold start: 0 of 1 labels of the rarest class"
    assert manifest(tmp_path)["switch"]["because"] == because
    given.labeled += "frame-05831 1\nframe-03743 2\n"
    given.embeddings[0] = np.nan  # nobody reads it: the choice is by scores
    assert select(*given.write()).exit_code == 0
    assert manifest(tmp_path)["switch"]["because"].endswith("1 of 1 labels of the rarest class")


PERSON, BICYCLE = "map_information:person", "map_information:bicycle"
DETECTS = "label: {kind: detection}\nrandom_arm: {share: 0}\n"


def seen(n: int = 60) -> dict[str, Any]:
    """Give what a committee of detectors says, as columns of the frames."""
    rng = np.random.default_rng(3)
    return {name: rng.uniform(0.0, 0.6, n) for name in (PERSON, BICYCLE)}


def without_probs(given: Files) -> list[str]:
    options = given.write()
    at = options.index("--probs")
    return options[:at] + options[at + 2 :]


def test_detection_is_chosen_by_columns_of_the_maps_in_turns(
    select: Select, tmp_path: Path
) -> None:
    strategy = f'{{name: round_robin, columns: ["{PERSON}", "{BICYCLE}"]}}'
    policy = f"{DETECTS}selection: {{batch_size: 4, strategy: {strategy}}}\n"
    given = files(tmp_path, columns=seen(), policy=policy)
    given.labeled = f"{given.ids[7]} person"
    result = select(*without_probs(given))
    assert result.exit_code == 0, result.output
    orders = [np.argsort(-given.columns[name]) for name in (PERSON, BICYCLE)]
    first = [next(row for row in order.tolist() if row != 7) for order in orders]
    assert [row["frame_id"] for row in batch(tmp_path)][:2] == [given.ids[row] for row in first]


def test_the_mean_over_classes_counts_where_the_policy_names_no_class(
    select: Select, tmp_path: Path
) -> None:
    policy = f"{DETECTS}selection: {{batch_size: 3, strategy: top_k}}\n"
    given = files(tmp_path, columns=seen(), policy=policy)
    assert select(*without_probs(given)).exit_code == 0
    mean = (given.columns[PERSON] + given.columns[BICYCLE]) / 2
    best = [given.ids[row] for row in np.argsort(-mean)[:3].tolist()]
    assert [row["frame_id"] for row in batch(tmp_path)] == best
    given.columns["map_information"] = -mean + 1.0
    (tmp_path / "out" / "batch.parquet").unlink()
    assert select(*without_probs(given)).exit_code == 0
    least = [given.ids[row] for row in np.argsort(mean)[:3].tolist()]
    assert [row["frame_id"] for row in batch(tmp_path)] == least


def test_detection_without_its_columns_starts_cold_and_a_missing_one_is_named(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, policy=f"{DETECTS}selection: {{batch_size: 3}}\n")
    assert select(*without_probs(given)).exit_code == 0
    cold = batch(tmp_path)
    assert len(cold) == 3
    (tmp_path / "out" / "batch.parquet").unlink()
    assert select(*given.write(), "--class-names", "a,b,c").exit_code == 0
    assert batch(tmp_path) == cold, "probabilities of classes are no committee of detectors"
    given.policy = f"{DETECTS}selection: {{strategy: top_k, acquisition: box_entropy_sum}}\n"
    given.columns = seen()
    result = select(*without_probs(given))
    assert result.exit_code == 2
    assert "expected the columns or tags box_entropy_sum, found" in result.output


@pytest.mark.parametrize(
    ("asks", "missing"),
    [
        (f'selection: {{strategy: {{name: round_robin, columns: ["{PERSON}"]}}}}', PERSON),
        (f'scores: {{terms: [{{column: "{BICYCLE}"}}, {{column: "{PERSON}"}}]}}', PERSON),
        ("selection: {strategy: top_k, acquisition: box_entropy_max}", "box_entropy_max"),
        ("scores: {only: box_entropy_sum > 0.1}", "box_entropy_sum"),
    ],
)
def test_a_committees_column_that_the_policy_names_is_no_silent_cold_start_if_it_is_missing(
    select: Select, tmp_path: Path, asks: str, missing: str
) -> None:
    given = files(tmp_path, policy=f"{DETECTS}{asks}\n")
    given.columns = {"map_infomation:person": np.ones(60)}
    result = select(*without_probs(given))
    assert result.exit_code == 2, result.output
    assert missing in result.stderr.split(", which the policy names")[0]
    assert "found frame_id, map_infomation:person" in result.stderr
    hint = "did you mean map_infomation:person?" in result.stderr
    assert hint == (missing == PERSON)
    assert "(if no committee has answered yet: --round 0)" in result.stderr
    assert not (tmp_path / "out").exists()
    assert select(*without_probs(given), "--round", 0).exit_code == 0
    assert manifest(tmp_path)["switch"]["cold_start"]
    assert "identical" in select("--replay", "out").output


def test_a_cold_start_of_detection_says_which_columns_would_end_it(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, policy=f"{DETECTS}selection: {{batch_size: 3}}\n")
    told = "no column of a committee (map_information, map_information:CLASS) in frames.parquet"
    assert told in select(*without_probs(given)).output
    given.columns = seen()
    assert told not in select(*without_probs(given)).output


def test_classes_start_cold_without_probabilities_even_beside_columns_of_detectors(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, policy="selection: {batch_size: 3}", columns=seen())
    result = select(*without_probs(given))
    assert result.exit_code == 0, result.output
    because = "cold start: no committee has answered yet, and herding needs one"
    assert manifest(tmp_path)["switch"]["because"] == because


def test_a_misspelt_column_is_answered_with_the_one_that_is_alike(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, columns={"session": ["s"] * 60, "tags": ['{"weather": "fog"}'] * 60})
    given.policy = "constraints: {caps: {sesion: 1}}"
    assert (
        "found frame_id, session, tags, tag weather; did you mean session?"
        in select(*given.write()).stderr
    )
    given.policy = "constraints: {minimums: [{column: wether, value: fog, frames: 1}]}"
    assert "did you mean weather?" in select(*given.write()).stderr
    del given.columns["tags"]
    given.policy = "constraints: {caps: {sesion: 1}}"
    assert "found frame_id, session; did you mean session?" in select(*given.write()).stderr


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (folder / "out").iterdir()}


@pytest.mark.parametrize("changed", ["seed", "policy", "inputs"])
def test_an_earlier_selection_is_replaced_only_when_asked_to(
    select: Select, tmp_path: Path, changed: str
) -> None:
    given = files(tmp_path, overwrite=False)
    options = given.write()
    assert select(*options).exit_code == 0
    before = everything_in(tmp_path)
    if changed == "policy":
        given.policy = "selection: {batch_size: 11}\n"
    if changed == "inputs":
        given.labeled = str(given.ids[0])
    options = [*given.write(), *(("--seed", "99") if changed == "seed" else ())]
    result = select(*options)
    assert result.exit_code != 0
    told = result.output
    assert "out: expected a folder without another selection, found one of 10 frames" in told
    assert "(batch.parquet, manifest.json)" in told
    assert "--overwrite replaces it, another --out keeps it" in told
    assert changed in told
    assert everything_in(tmp_path) == before
    assert select(*options, "--overwrite").exit_code == 0
    assert everything_in(tmp_path) != before
    assert select("--replay", "out").exit_code == 0


@pytest.mark.parametrize("columns", [{}, {"price_micros": [1000] * 60}])
def test_the_same_selection_again_changes_no_file(
    select: Select, tmp_path: Path, columns: dict[str, list[int]]
) -> None:
    options = files(tmp_path, overwrite=False, columns=columns).write()
    assert select(*options).exit_code == 0
    before = everything_in(tmp_path)
    again = select(*options)
    assert again.exit_code == 0
    assert everything_in(tmp_path) == before


def test_a_batch_that_lost_its_manifest_is_kept_too_unless_it_is_the_same(
    select: Select, tmp_path: Path
) -> None:
    given = files(tmp_path, overwrite=False)
    assert select(*given.write()).exit_code == 0
    (tmp_path / "out" / "manifest.json").unlink()
    before = everything_in(tmp_path)
    refused = select(*given.write(), "--seed", "99")
    assert "found files (batch.parquet) with other bytes in batch.parquet" in refused.output
    assert everything_in(tmp_path) == before
    assert select(*given.write()).exit_code == 0
    assert select("--replay", "out").exit_code == 0
