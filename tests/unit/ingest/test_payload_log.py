"""Production's payload log: frames of unsure answers become candidates, the rest is counted."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.ingest.images import image_bytes
from tests.unit.ingest.payload_records import (
    SPLIT,
    SURE,
    UNSURE,
    Json,
    boxes,
    classes,
    event,
    exchange,
    request_body,
    response_body,
    stored,
    tensor,
    write_log,
)
from winnow.adapters.frame_sources.payload_answer import Thresholds
from winnow.adapters.frame_sources.payload_files import PayloadFiles
from winnow.adapters.frame_sources.payload_log import PayloadLogSource
from winnow.cli.sources import source_named
from winnow.domain.errors import BadInput
from winnow.ports.frame_source import SourceFrame

IMAGES = [image_bytes(seed) for seed in range(3)]
ANSWER = classes(SURE, UNSURE, SPLIT)


def source_of(path: Path, **options: Any) -> PayloadLogSource:
    return PayloadLogSource(PayloadFiles(path), **options)


def names(source: PayloadLogSource) -> list[str]:
    return [frame.name for frame in source.frames()]


def told(source: PayloadLogSource, words: str) -> str:
    (note,) = [note for note in source.notes if words in note]
    return note


def test_frames_of_unsure_answers_are_candidates_that_say_why(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", ANSWER, frames=IMAGES))
    source = source_of(log)
    assert (source.name, source.n_frames, source.class_names) == ("production", 2, ())
    unsure, split = source.frames()
    assert (unsure.name, unsure.data, unsure.media_type) == ("a1/1", IMAGES[1], "image/png")
    assert unsure.captured_at == datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
    assert unsure.label is None
    assert unsure.tags == {
        "committee": "c3@0123456789ab",
        "confidence": "0.4100",
        "disagreement": unsure.tags["disagreement"],
        "doubt": "confidence",
        "request": "a1/1",
    }
    assert float(unsure.tags["disagreement"]) < 0.01
    assert (split.data, split.tags["doubt"]) == (IMAGES[2], "disagreement")
    assert told(source, "classification") == (
        "classification: 3 frame(s) answered, 1 of them surely; 1 with confidence below 0.6, "
        "1 with disagreement above 0.1 nats"
    )
    assert told(source, "answered by") == "answered by c3@0123456789ab (3)"
    assert [frame.name for frame in source.frames([1])] == ["a1/2"]


def test_thresholds_choose_how_much_doubt_is_enough(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", ANSWER, frames=IMAGES))
    assert names(source_of(log, thresholds=Thresholds(1.0))) == ["a1/0", "a1/1", "a1/2"]
    assert names(source_of(log, thresholds=Thresholds(0.0, 0.5))) == []
    assert names(source_of(log, thresholds=Thresholds(0.0, 0.1))) == ["a1/2"]
    for wrong in ({"confidence_below": 1.5}, {"disagreement_above": float("nan")}):
        option = f"--{next(iter(wrong)).replace('_', '-')}"
        with pytest.raises(BadInput, match=f"{option}: expected"):
            Thresholds(**wrong)


def test_a_detector_is_doubted_by_its_least_certain_box_and_by_its_maps(tmp_path: Path) -> None:
    answer = boxes(
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.5], [0.0, 0.0]],
        [[0.95, 0.02], [0.95, 0.46], [], [0.45]],
    )
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", answer))
    source = source_of(log)
    assert source.label_kind == "detection"
    box, maps = source.frames()
    assert (box.name, box.tags["doubt"], box.tags["confidence"]) == ("a1/1", "confidence", "0.5400")
    assert (maps.name, maps.tags["doubt"], maps.tags["disagreement"]) == (
        "a1/2", "disagreement", "0.25",
    )  # fmt: skip
    assert "above 0.001 nats" in told(source, "detection: 4 frame(s)")


def kafka(record: Json) -> Json:
    """Name attributes as a bridge from Kafka does, and carry the body as bytes."""
    body = stored("", "request", record["data"])["Bytes"]
    rest = {f"ce_{name}": value for name, value in record.items() if name != "data"}
    return {**rest, "data_base64": body}


def as_http_headers(record: Json) -> Json:
    data = record["data"]
    rest = {f"Ce-{name.capitalize()}": value for name, value in record.items() if name != "data"}
    return {**rest, "data": json.dumps(data)}


@pytest.mark.parametrize("form", [kafka, as_http_headers])
def test_attribute_names_may_have_changed_on_the_way(tmp_path: Path, form: object) -> None:
    records = exchange("a1", ANSWER, frames=IMAGES, headers={"X-Winnow-Session": "s7"})
    source = source_of(
        write_log(tmp_path / "log.jsonl", *map(form, records))  # type: ignore[call-overload]
    )
    assert [(f.name, f.data, f.session) for f in source.frames()] == [
        ("a1/1", IMAGES[1], "s7"), ("a1/2", IMAGES[2], "s7"),
    ]  # fmt: skip


def test_a_bucket_holds_a_file_for_each_record_or_each_batch(tmp_path: Path) -> None:
    ask = request_body(IMAGES)
    headers = {"X-Winnow-Vehicle": "v2"}
    files: dict[str, object] = {
        "a1-request.json": stored("a1", "request", ask, headers),
        "a1-response.json": [stored("a1", "response", ANSWER)],
        "b3-request.json": [stored(n, "request", ask, headers) for n in ("b1", "b2", "b3")],
        "b2-response.json": [stored(n, "response", ANSWER) for n in ("b1", "b2")],
        "b3-response.json": stored("b3", "response", ANSWER),
        "empty.json": [],
    }
    folder = tmp_path / "winnow" / "committee-r3-c3" / "predictor"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "readme.txt").write_text("not a record")
    source = source_of(tmp_path)
    assert names(source) == [f"{n}/{pos}" for n in ("a1", "b1", "b2", "b3") for pos in (1, 2)]
    assert {(frame.vehicle, frame.captured_at) for frame in source.frames()} == {("v2", None)}
    assert told(source, "other kinds") == "1 file(s) of other kinds left out"


def one_with(tmp_path: Path, **headers: str) -> tuple[PayloadLogSource, list[SourceFrame]]:
    named = {f"X-Winnow-{name.replace('_', '-')}": value for name, value in headers.items()}
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", classes(UNSURE), headers=named))
    source = source_of(log)
    return source, list(source.frames())


def test_headers_say_where_a_frame_comes_from(tmp_path: Path) -> None:
    source, (frame,) = one_with(
        tmp_path, Session="drive-9", Vehicle="v7", Site="harbour", Sensor="left",
        Captured_At="2026-02-28T23:00:00+01:00", Calibrated="false", Privacy_Blocked="True",
        Tags="weather=fog, road=motorway,committee=mine",
    )  # fmt: skip
    assert (frame.session, frame.vehicle, frame.site, frame.sensor) == (
        "drive-9", "v7", "harbour", "left",
    )  # fmt: skip
    assert frame.captured_at == datetime(2026, 2, 28, 22, tzinfo=UTC)
    assert (frame.calibrated, frame.privacy_blocked) == (False, True)
    assert (frame.tags["weather"], frame.tags["road"]) == ("fog", "motorway")
    assert frame.tags["committee"] == "c3@0123456789ab"
    assert not any("Privacy" in note for note in source.notes)


def test_what_no_header_says_is_as_in_any_source_and_silence_on_privacy_is_told(
    tmp_path: Path,
) -> None:
    source, (frame,) = one_with(tmp_path)
    assert (frame.session, frame.vehicle, frame.sensor) == ("", "", "camera")
    assert (frame.calibrated, frame.privacy_blocked) == (True, False)
    assert told(source, "Privacy").startswith("1 frame(s) without X-Winnow-Privacy-Blocked")


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Privacy_Blocked", "maybe", "privacy-blocked: expected true or false, found 'maybe'"),
        ("Captured_At", "yesterday", "expected a time such as 2026-03-01T08:30:00Z"),
        ("Tags", "fog", "tags: expected name=value,name=value, found 'fog'"),
    ],
)
def test_a_header_that_means_nothing_is_never_guessed(
    tmp_path: Path, header: str, value: str, expected: str
) -> None:
    source, frames = one_with(tmp_path, **{header: value})
    assert not frames
    assert expected in told(source, "1 request(s) that cannot be used left out, first log.jsonl")


PIXELS = {"inputs": [tensor("pixels", [[[[1]], [[2]], [[3]]]], "UINT8")]}
RAW_PIXELS = (
    b'{"inputs":[{"name":"pixels","datatype":"UINT8","shape":[1,3,1,1]}]}' + b"\x00\x80\xff"
)
GOOD = request_body(IMAGES)
FEW: Json = {"inputs": [{**GOOD["inputs"][0], "shape": [4]}]}  # type: ignore[index]
NOT_BASE64: Json = {"inputs": [tensor("frames", ["?"], "BYTES")]}
NUMBERS: Json = {"inputs": [tensor("frames", [1], "INT64")]}
WHO: Json = {"inputs": [{"name": "frames", "datatype": "BYTES", "shape": [0], "data": []}]}
NO_PROBS = response_body(tensor("probs", [[[0.5, 0.1]] * 3], "FP32"))
FLAT = response_body(tensor("probs", [0.5, 0.5], "FP32"))
LONG = response_body({**tensor("probs", [[[0.5, 0.5]]], "FP32"), "shape": [1, 3, 2]})
WORDS = response_body(tensor("probs", [["a", "b"]], "FP32"))
BROKEN_BOXES = response_body(
    tensor("information", [[0.0]] * 3, "FP32"), tensor("boxes", ["[1]"] * 3, "BYTES")
)


@pytest.mark.parametrize(
    ("request_", "response", "why", "found"),
    [
        (PIXELS, ANSWER, "request(s) that cannot be used", "expected the input frames with enc"),
        (RAW_PIXELS, ANSWER, "request(s) that cannot be used", "expected JSON without raw tensors"),
        ([1], ANSWER, "request(s) that cannot be used", "expected a JSON object, found list"),
        ({"instances": []}, ANSWER, "request(s) that cannot be used", "expected inputs of an inf"),
        (FEW, ANSWER, "request(s) that cannot be used", "expected BYTES (4,), found 3 values"),
        (NOT_BASE64, ANSWER, "request(s) that cannot be used", "frame 0: expected base64"),
        (NUMBERS, ANSWER, "request(s) that cannot be used", "expected frames as BYTES"),
        (WHO, response_body(), "request(s) without frames, which ask who is there", ""),
        (GOOD, classes(UNSURE), "answer(s) that do not fit", "3 frame(s) asked about, 1 told"),
        (GOOD, NO_PROBS, "answer(s) that do not fit", "expected probs float32 (2, 3, 2), found"),
        (GOOD, FLAT, "answer(s) that do not fit", "expected probs of frames and classes"),
        (GOOD, LONG, "answer(s) that do not fit", "expected FP32 (1, 3, 2), found 2 values"),
        (GOOD, WORDS, "answer(s) that do not fit", "expected FP32 (1, 2), found: could not"),
        (GOOD, BROKEN_BOXES, "answer(s) that do not fit", "expected JSON of boxes with scores"),
        (GOOD, {**ANSWER, "model_version": None}, "answer(s) that do not fit", "version, found no"),
        (GOOD, classes(*[[[0.5, 0.1, 0.1]] * 2] * 3), "answer(s) that do not fit", "expected"),
        (GOOD, {"outputs": [tensor("y", [1.0], "FP32")]}, "answer(s) of another model", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_left_out_once_and_the_rest_is_taken(
    tmp_path: Path, request_: object, response: object, why: str, found: str
) -> None:
    bad = [stored("bad", "request", request_), stored("bad", "response", response)]
    good = exchange("good", classes(UNSURE))
    source = source_of(write_log(tmp_path / "log.jsonl", *bad, *good))
    assert names(source) == ["good/0"]
    (note,) = [note for note in source.notes if "left out" in note]
    assert note.startswith(f"1 {why} left out, first log.jsonl line 1")
    assert found in note


def test_lines_that_are_no_records_are_told_together(tmp_path: Path) -> None:
    no_id = {**event("", "request", GOOD)}
    log = write_log(
        tmp_path / "log.jsonl",
        b'{"type": "org.kube', b"7", {"a": 1}, no_id, b"",
        {**event("x", "request", GOOD), "data": 5},
        {**event("x", "request", GOOD), "metadata": "{"},
        {**event("x", "request", GOOD), "time": "noon"},
        {**stored("x", "request", GOOD), "Bytes": "?"},
        {"type": "com.example.heartbeat", "id": "1"},
        *exchange("good", classes(UNSURE)),
    )  # fmt: skip
    source = source_of(log)
    assert names(source) == ["good/0"]
    note = told(source, "no record")
    assert note.startswith("8 line(s) or item(s) that are no record left out, first log.jsonl line")
    for line in ("line 1: expected JSON", "line 2: expected a JSON object", "line 3: expected an"):
        assert line in note
    assert "line 10" in told(source, "1 event(s) of another type left out")


def test_sides_that_stay_alone_or_come_again_are_told(tmp_path: Path) -> None:
    ask, answer = exchange("pair", classes(UNSURE))
    lone, _ = exchange("asked", ANSWER)
    _, late = exchange("answered", ANSWER)
    source = source_of(write_log(tmp_path / "l.jsonl", answer, lone, ask, late, ask, answer))
    assert names(source) == ["pair/0"]
    assert "l.jsonl line 2" in told(source, "1 request(s) without a response left out")
    assert "l.jsonl line 4" in told(source, "1 response(s) without a request left out")
    assert "line 5; l.jsonl line 6" in told(source, "2 record(s) that repeat an id left out")


def test_only_so_many_requests_are_remembered(tmp_path: Path) -> None:
    asks, answers = zip(*(exchange(f"{n:03}", classes(UNSURE)) for n in range(20)), strict=True)
    log = write_log(tmp_path / "log.jsonl", *asks, *answers)
    assert source_of(log, window=20).n_frames == 20
    few = source_of(log, window=5)
    assert few.n_frames == 0
    assert told(few, "without a response").startswith("20 request(s)")
    assert told(few, "without a request").startswith("20 response(s)")


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).bytes(100_000)
    ask, answer = exchange("n", classes(SURE), frames=[frame])
    with (tmp_path / "log.jsonl").open("w") as log:
        for number in range(200):
            for record in (ask, answer):
                log.write(json.dumps({**record, "id": f"n{number}"}) + "\n")
    assert (tmp_path / "log.jsonl").stat().st_size > 25_000_000
    tracemalloc.start()
    source = source_of(tmp_path / "log.jsonl", window=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.n_frames == 0
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (json.dumps(event("a2", "request", GOOD)), "line 1: expected request a1 as before, found"),
        ("[", "line 1: expected JSON, found b'\\['…: .*, no longer what was read before"),
        ("", "line 1: expected the record that was read before, found none"),
        (None, "log.jsonl: expected a readable file"),
    ],
)
def test_a_log_that_changed_between_the_two_readings_is_refused(
    tmp_path: Path, now: str | None, expected: str
) -> None:
    log = write_log(tmp_path / "log.jsonl", *exchange("a1", classes(UNSURE)))
    source = source_of(log)
    if now is None:
        log.unlink()
    else:
        log.write_text(now)
    with pytest.raises(BadInput, match=expected):
        names(source)


def test_what_is_no_payload_log_is_refused(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", {"type": "com.example.heartbeat"})
    with pytest.raises(BadInput, match=r"expected records of KServe's payload logger, found none"):
        source_of(log)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(IMAGES[0])
    with pytest.raises(BadInput, match=r"expected payload records \(.json .* found 1 other file"):
        source_of(tmp_path / "images")
    with pytest.raises(BadInput, match="as a payload log knows none, found 'boxes'"):
        source_named(log, labels="boxes", layout="payload-log")
    with pytest.raises(BadInput, match="expected --format payload-log, found none"):
        source_named(log, thresholds=Thresholds(0.5))
    with pytest.raises(BadInput, match="--format: expected bdd100k, payload-log, or none"):
        source_named(log, layout="coco")
