"""The generated code is that of the protos, and no released message was broken."""

import filecmp
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOURCES = ("winnow/events/v1/events.proto", "winnow/inference/v1/inference.proto")
RELEASED = ROOT / "tests/golden/events/released.binpb"
"""All released messages as a buf image; written anew by `make golden` at a release."""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    buf = BIN / "buf"
    if not buf.exists():
        pytest.skip("buf is not installed beside this Python: install the dev extra")
    return _run(str(buf), *arguments)


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="install the dev extra")
    done = _run(
        sys.executable,
        *("-m", "grpc_tools.protoc", "-I", "protos"),
        f"--plugin=protoc-gen-mypy={BIN / 'protoc-gen-mypy'}",
        *(f"--python_out={tmp_path}", f"--mypy_out={tmp_path}"),
        *(f"protos/{source}" for source in SOURCES),
    )
    assert done.returncode == 0, done.stderr
    committed = ROOT / "services/winnow/contracts/generated"
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        name = path.relative_to(tmp_path)
        assert filecmp.cmp(path, committed / name, shallow=False), f"{name}: run make protos"


def test_every_proto_is_generated() -> None:
    found = {
        path.relative_to(ROOT / "protos").as_posix() for path in ROOT.glob("protos/**/*.proto")
    }
    assert found == set(SOURCES)


def test_the_protos_keep_the_style() -> None:
    done = _buf("lint", "protos")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_released_message_is_broken() -> None:
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        image = ("--exclude-source-info", "-o", str(RELEASED))
        assert _buf("build", "protos", *image).returncode == 0
    done = _buf("breaking", "protos", "--against", str(RELEASED))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_removed_field_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "winnow/events/v1").mkdir(parents=True)
    (tmp_path / "buf.yaml").write_text((ROOT / "protos/buf.yaml").read_text())
    text = (ROOT / "protos" / SOURCES[0]).read_text()
    assert "  optional string kept = 4;\n" in text
    (tmp_path / SOURCES[0]).write_text(text.replace("  optional string kept = 4;\n", ""))
    done = _buf("breaking", str(tmp_path), "--against", str(RELEASED))
    assert done.returncode == 100
    assert 'with name "kept"' in done.stdout
