"""What a stranger meets: sentences, exit codes, dry runs, and no noise."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import tiny_runs
from haiga.cli import main
from haiga.pipeline.run import at_work, open_run
from haiga.recipe.load import load


@pytest.fixture
def bare(tmp_path) -> Path:
    return tiny_runs.prepare(tmp_path)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_help_and_check_load_no_more_than_they_need():
    heavy = {"torch", "transformers", "datasets", "matplotlib", "pyarrow", "scipy"}
    assert not loaded_by("import haiga.cli") & heavy
    # Objectives are functions of tensors, and their signatures are what a recipe is held against.
    late = heavy - {"torch", "pyarrow", "scipy"}
    assert not loaded_by("import haiga.pipeline.check, haiga.pipeline.standing") & late


def test_a_dry_run_leaves_nothing_on_disk(bare):
    before = tiny_runs.files(bare)
    for command in ("run", "curate"):
        said = tiny_runs.haiga(bare, command, "recipe.toml", "--dry-run")
        assert said.code == 0
        rows = [line.split("\t") for line in said.out.splitlines()]
        assert rows[1] == ["data/00_raw", "would be made"]
        assert ["stages/sft", "would be made"] in rows
        assert rows[-1] == ["Nothing was done."]
    assert tiny_runs.files(bare) == before
    assert not (bare / "runs").exists()


def test_two_do_not_work_in_one_run(finished):
    run = open_run(load(finished / "recipe.toml", []), finished / "runs")
    with at_work(run):
        said = tiny_runs.haiga(finished, "run", "recipe.toml")
        assert said.code == 2
        assert "Another haiga is at work in runs/tiny. Wait for it" in said.err
        assert tiny_runs.haiga(finished, "report", "recipe.toml").code == 0
    assert tiny_runs.haiga(finished, "run", "recipe.toml").code == 0


def test_a_dry_run_of_a_finished_run_says_so(finished):
    before = tiny_runs.files(finished)
    said = tiny_runs.haiga(finished, "run", "recipe.toml", "--dry-run")
    assert "would be made" not in said.out
    assert said.out.count("complete") == 10
    assert tiny_runs.files(finished) == before


def test_a_dry_run_knows_what_an_evaluation_has_not_asked(finished):
    change = ["--set", "evaluate.self_retrieval=0"]
    said = tiny_runs.haiga(finished, "run", "recipe.toml", "--dry-run", *change)
    assert "stages/sft\tcomplete\nevaluation\twould be made\nreport.html\twould be" in said.out


def test_a_dry_run_knows_what_a_change_makes_again(home):
    change = ["--set", "stage.sft.steps=4"]
    before = tiny_runs.files(home)
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--dry-run", *change)
    assert said.code == 2
    assert "steps: it was 3, now it is 4" in said.err
    assert "--rebuild" in said.err
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--dry-run", "--rebuild", *change)
    rows = dict(line.split("\t") for line in said.out.splitlines() if "\t" in line)
    assert rows["stages/align"] == "complete"
    assert rows["stages/sft"] == rows["evaluation"] == "would be made"
    assert tiny_runs.files(home) == before


def test_rebuild_makes_the_changed_stage_again_and_no_other(home):
    change = ["recipe.toml", "--set", "stage.sft.steps=4"]
    before = tiny_runs.files(home / "runs/tiny/stages/align")
    assert tiny_runs.haiga(home, "train", *change).code == 2
    said = tiny_runs.haiga(home, "train", *change, "--rebuild")
    assert said.code == 0, said.err
    assert "sft: training" in said.err
    assert "align: training" not in said.err
    assert tiny_runs.files(home / "runs/tiny/stages/align") == before
    assert "it was 4, now it is 3" in tiny_runs.haiga(home, "evaluate", "recipe.toml").err


@pytest.mark.parametrize("command", ["train", "evaluate", "report"])
def test_a_command_before_its_time_names_the_one_to_run_first(bare, command):
    said = tiny_runs.haiga(bare, command, "recipe.toml", "--workdir", "some where")
    assert said.code == 2
    assert "Run `haiga curate recipe.toml --workdir 'some where'` first" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (bare / "some where").exists()


def test_evaluate_and_report_wait_for_stages_and_scores(home):
    stage, scores = home / "runs/tiny/stages/sft", home / "runs/tiny/evaluation/summary.json"
    scores.unlink()
    assert (
        "Run `haiga evaluate recipe.toml` first"
        in tiny_runs.haiga(home, "report", "recipe.toml").err
    )
    (stage / "manifest.json").unlink()
    for command in ("evaluate", "report"):
        said = tiny_runs.haiga(home, command, "recipe.toml")
        assert "stages/sft is not complete yet. Run `haiga train recipe.toml` first" in said.err
        assert said.code == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["chek", "recipe.toml"], "No such command 'chek'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "recipe.toml", "--wrkdir", "x"], "No such option: --wrkdir"),
        (["run", "recip.toml"], "did you mean 'recipe.toml'?"),
        (["check", "recipe.toml", "--set", "stage.sft.bach=4"], "did you mean 'batch'?"),
        (["check", "recipe.toml", "--set", "model.tower=world:towr"], "'world:tower'"),
        (["check", "recipe.toml", "--set", "model.tower=./nowhere"], "no folder ./nowhere"),
        (["check", "recipe.toml", "--set", "stage.sft.part=language"], "trains the part 'vlm'"),
        (["check", "recipe.toml", "--set", "model.tower=world:fresh"], "makes both models"),
        (["export", "nowhere", "x"], "nowhere holds no trained model"),
    ],
)
def test_a_fault_is_a_sentence_on_stderr_and_exit_2(bare, words, text):
    said = tiny_runs.haiga(bare, *words)
    assert said.code == 2
    assert text in said.err
    assert "Traceback" not in said.err
    assert not said.out


def test_plan_counts_parts_stages_and_rules(bare):
    said = tiny_runs.haiga(bare, "plan", "recipe.toml")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert ["positions a picture takes", "16"] in rows
    # Two layers of r (in + out) of q, k, v, o, gate, up, down; and 32 -> 64 -> 64 with biases.
    lora = 2 * 2 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 128))
    assert ["sft", ".*lora_.*", f"{lora:,}"] in rows
    assert ["sft", ".*multi_modal_projector.*", f"{32 * 64 + 64 + 64 * 64 + 64:,}"] in rows
    assert said.code == 0


def test_haiga_alone_prints_help(capfd):
    assert main([]) == 2
    said = capfd.readouterr()
    assert "Usage: haiga" in said.out
    assert "evaluate" in said.out
    assert said.err == ""


def test_a_person_is_told_at_once(bare, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    # What follows takes seconds to import.
    monkeypatch.setitem(sys.modules, "haiga.pipeline.check", None)
    for words in (["check", "recipe.toml"], ["train", "recipe.toml", "--workdir", "w"]):
        with contextlib.redirect_stderr(Terminal()) as said, pytest.raises(ImportError):
            main([*words[:1], str(bare / words[1]), *words[2:]])
        assert said.getvalue().startswith(f"{bare / 'recipe.toml'}")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(13, "Permission denied", "x.parquet"), "x.parquet cannot be used: Perm"),
        (OSError("disk on fire"), "A file cannot be used: disk on fire."),
        (MemoryError(), "The memory is full. Make the stage's micro_batch"),
        (torch.OutOfMemoryError("CUDA"), "The memory is full."),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(bare, monkeypatch, error, text):
    def refuse(*given):
        raise error

    monkeypatch.setattr("haiga.recipe.load.load", refuse)
    said = tiny_runs.haiga(bare, "check", "recipe.toml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(text)
    assert len(said.err.splitlines()) == 1


def test_a_mistake_of_ours_shows_where_it_is(bare, monkeypatch):
    monkeypatch.setattr("haiga.recipe.load.load", lambda *given: {}["ours"])
    with pytest.raises(KeyError, match="ours"):
        tiny_runs.haiga(bare, "check", "recipe.toml")


def start(home: Path, *words: str, **given) -> subprocess.Popen:
    # A shell's background job ignores Ctrl-C, and so would its children.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from haiga.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=home, text=True, stderr=subprocess.PIPE, **given
    )


def test_a_reader_that_leaves_is_no_fault(bare):
    read, written = os.pipe()
    os.close(read)
    process = start(bare, "check", "recipe.toml", stdout=written)
    os.close(written)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == ""


def test_ctrl_c_says_how_to_go_on(bare):
    process = start(bare, "run", "recipe.toml", "--set", "stage.sft.steps=5000")
    log = bare / "runs/tiny/stages/sft/events.jsonl"
    deadline = time.monotonic() + 100
    while not log.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Stopped. The same command goes on from here."
    assert "Traceback" not in err
