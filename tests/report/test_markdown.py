"""The judgement as Markdown, and the written training report."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvl import report, verdict
from cvl.judge import Judgement
from cvl.report import written
from cvl.report.markdown import plain
from cvl.rules import Status, Verdict, Where, outcome
from tests.report import made

DATA = Path(__file__).parents[1] / "readers/data/ultralytics/yolov8n"


def test_a_table_for_a_pull_request() -> None:
    verdicts = (
        Verdict("finite", Status.PASS, "train_loss", "finite", "120 values", Where("metrics.jsonl")),
        Verdict("trend", Status.FAIL, "a|b", "≤ 0.8", "1.01", Where("metrics.jsonl", 120, 12), hint="learning rate 0"),
        Verdict("range", Status.NOT_COMPARABLE, "map50", "≥ 0.6", "0.2", reason="LR is 1, not 2"),
    )
    shown = Judgement(Path("x/run_1"), verdicts, outcome(verdicts), "poor", ("a note",), ("f: torn",))
    assert report.get("markdown").render(shown).splitlines() == [
        "### run_1: FAIL (1 of 3 rules, 1 not comparable)",
        "",
        "|  | Rule | Metric | Wanted | Found | Where |",
        "| --- | --- | --- | --- | --- | --- |",
        "| ✓ | finite | train_loss | finite | 120 values | metrics.jsonl |",
        r"| ✗ | trend | a\|b | ≤ 0.8 | 1.01 | metrics.jsonl step 120 (epoch 12) |",
        "| – | range | map50 | ≥ 0.6 | 0.2 |  |",
        "",
        "- rating: poor",
        "- a note",
        r"- trend a\|b: learning rate 0",
        "- range map50: LR is 1, not 2",
        "- f: torn",
    ]


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("train_loss 1e-3 mAP@50:95 a & b", "train_loss 1e-3 mAP@50:95 a & b"),
        ("<script>`x`</script>", r"\<script\>`x`\</script\>"),
        ("say `signed: true`, ``a`` `<b>` `", r"say `signed: true`, \`\`a\`\` \`\<b\>\` \`"),
        ("[a](b) *c* _d_ # ~e~ &lt;", r"\[a\](b) \*c\* \_d\_ \# \~e\~ &amp;lt;"),
        ("a\n| b\\", "a\ufffd\\| b\\\\"),
        ("ask @somebody", "ask @\N{WORD JOINER}somebody"),
    ],
)
def test_foreign_text_is_no_markup(foreign: str, shown: str) -> None:
    assert plain(foreign) == shown


def test_the_written_report_of_a_run(tmp_path: Path) -> None:
    shown = made.judged(tmp_path)
    (shown.folder / "checkpoints").mkdir()
    (shown.folder / "checkpoints" / "best_model.pt").touch()
    assert written.render(shown).splitlines() == [
        "## Training Summary",
        "",
        "- **Model:** small",
        "- **Dataset:** the sample shipped with the example (12 train, 3 val)",
        "- **Training Date:** 2026-01-02 to 2026-01-03",
        "- **Total Epochs:** 30",
        "- **Best Epoch:** 30 (by val/map)",
        "- **Best Checkpoint:** checkpoints/best_model.pt",
        "",
        "### Final Metrics",
        "",
        "- **Validation mAP:** 0.3906",
        "- **Validation mAP50:** 0.7812",
        "- **Validation mAP75:** not measured",
        "- **Test mAP50:** 0.71",
        "",
        "### Hardware Used",
        "",
        "- **GPU(s):** none; CPU: Abacus 9, 2 cores",
        "- **Total Training Time:** 11 min 12 s",
        "- **Peak GPU Memory:** none used (memory of the process: 1.50 GB)",
        "",
        "### Key Findings",
        "",
        "1. Verdict: PASS, health only (4 of 6 rules, 2 not comparable)",
        "2. Decent detection: mAP@50:95 39.1 of 100 (best val/map), mAP@50 78.1",
        "3. the first of its kind",
        "",
        "### Recommendations for Next Steps",
        "",
        "1. The best epoch is the last one: train for more epochs",
        "2. Calibrated ranges did not apply to these settings: repeat with the preset's own to compare",
    ]


def test_a_day_is_said_once_and_a_place_only_where_there_is_one(tmp_path: Path) -> None:
    text = written.render(made.judged(tmp_path, [], ended="2026-01-02T04:00:00+00:00"))
    assert "- **Training Date:** 2026-01-02\n" in text
    assert "found missing\n" in text and "()" not in text


def test_a_job_that_does_not_train_has_a_summary_without_a_model(tmp_path: Path) -> None:
    shown = made.judged(tmp_path, [], preset="data")
    assert shown.verdicts == ()
    assert written.render(shown).splitlines() == [
        "## Summary",
        "",
        "- **Dataset:** the sample shipped with the example (12 train, 3 val)",
        "- **Date:** 2026-01-02 to 2026-01-03",
        "",
        "### Metrics",
        "",
        "- **Test mAP50:** 0.71",
        "",
        "### Hardware Used",
        "",
        "- **GPU(s):** none; CPU: Abacus 9, 2 cores",
        "- **Total Time:** 11 min 12 s",
        "- **Peak GPU Memory:** none used (memory of the process: 1.50 GB)",
        "",
        "### Key Findings",
        "",
        "1. Verdict: NOT JUDGED (no rule applies)",
        "2. the first of its kind",
    ]


def test_what_failed_comes_with_its_remedy(tmp_path: Path) -> None:
    text = written.render(made.judged(tmp_path, made.rows(nan_at=30), status="failed", exit_code=3, device="cuda",
                                      hardware={"gpus": ["H100, 80 GB", "H100, 80 GB"]}))  # fmt: skip
    assert "1. Verdict: FAIL (1 of 6 rules, 1 not run, 2 not comparable); the run ended as failed" in text
    assert "3. finite train_loss: wanted finite, not all 0, not negative, found nan (metrics.jsonl step 300" in text
    assert "\n1. Lower the learning rate, clip gradients" in text
    assert "- **GPU(s):** 2 × H100, 80 GB\n" in text and "- **Peak GPU Memory:** 1.50 GB\n" in text


def test_the_weakest_class_and_an_early_best(tmp_path: Path) -> None:
    log = made.rows()
    log += [{"step": 300 + n, "epoch": 30 + n, "val/map": 0.1} for n in range(1, 41)]
    shown = made.judged(tmp_path, log)
    groups = {"a": {"n": 3, "map50": 0.5}, "b": {"n": 2, "map50": 0.25}, "gone": {"n": 0}}
    made.evaluation(shown.folder, {"split": "val", "groups": groups})
    text = written.render(shown)
    assert "Weakest group: b (map50 0.25, 2 examples)" in text
    assert "The best epoch is 30 of 70: stop earlier, or regularise" in text
    advice = "Evaluate the best checkpoint on the test split"
    assert advice in text
    without = made.judged(tmp_path / "no test", log, split_sizes={"train": 3, "val": 2, "test": 0})
    assert advice not in written.render(without)


def test_a_log_of_another_tool_has_a_report_too(tmp_path: Path) -> None:
    text = written.render(verdict.of_folder(DATA, task="object_detection"))
    assert "- **Model:** not recorded" in text and "- **Validation mAP50:** " in text
