import errno
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.errors import StoreError
from haiga.store import digest, fingerprint, write_atomically
from haiga.store.files import canonical, read_json, write_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_digest_is_xxh3_128_of_the_empty_text():
    # The published test vector of XXH3_128bits for no input.
    assert digest(b"") == "99aa06d3014798d86001c324468d497f"


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": (2,), "a": 1})


@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (1, True), ("1", 1), (None, ""), ([], {})])
def test_values_that_differ_in_kind_have_different_fingerprints(a, b):
    assert fingerprint({"x": a}) != fingerprint({"x": b})


def test_canonical_forms_of_what_is_not_json():
    @dataclass
    class Options:
        side: int
        where: Path

    assert canonical(Options(3, Path("a/b"))) == '{"side":3,"where":"a/b"}'
    assert canonical({"s": {"b", "a"}}) == '{"s":["a","b"]}'


def test_a_value_without_a_form_is_refused():
    with pytest.raises(TypeError, match="object"):
        fingerprint({"x": object()})


@given(PLAIN)
def test_json_files_round_trip(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert canonical(read_json(path)) == canonical(value)


def test_json_that_is_absent_and_json_that_is_broken(tmp_path):
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(StoreError, match=r"broken\.json cannot be read"):
        read_json(tmp_path / "broken.json")


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="The disk is full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_write_that_really_fails_halfway_leaves_no_half_file(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from haiga.errors import StoreError\n"
        "from haiga.store import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "try:\n    write_atomically(Path(sys.argv[1]), bytes(5000))\n"
        "except StoreError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "The disk is full" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        write_atomically(tmp_path / "file" / "inside", b"")
