from haiga.evaluation.audit import audit, pairs_of
from haiga.records import IMAGE, Answer, Group, assistant, user
from haiga.reporting.facts import RunFacts
from haiga.reporting.report import render


def _found(chosen: str, rejected: str, **more) -> dict:
    sides = (Answer((assistant(chosen),)), Answer((assistant(rejected),), kind="rejected"))
    scene = {"things": ["boat"], "season": "autumn", "setting": "sea"}
    groups = [
        Group(f"r{n}", (user(IMAGE),), sides, task="describe", meta={"scene": scene})
        for n in range(3)
    ]
    found = {**audit(pairs_of(groups)), "verdict": "a real gap in <grounding>", **more}
    return {"judged": None, "taught": None, **found}


def test_the_pairs_of_a_run_stand_before_its_training():
    found = _found("a boat at sea in autumn", "a crane")
    judged = {"difference": 0.4, "low": 0.2, "high": 0.6}
    judged["flipped"] = {"mean": 0.1, "low": 0.0, "high": 0.2}
    other = {**found, "truth": {}, "judged": judged}
    page = render(RunFacts("x", {}, audit={"orpo": found, "kto": other}))
    assert "A real gap in &lt;grounding&gt;." in page
    assert ">+100.0<small>" in page
    assert ">+40.0<small>20 to 60</small>" in page
    assert ">10.0<small>0 to 20</small>" in page
    assert page.index("The pairs, before training") < page.index("<h2>Training</h2>")
    assert "The pairs, before training" not in render(RunFacts("x", {}))
