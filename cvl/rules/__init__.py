"""Rules on what a run logged. Pure but for the rule `artifact`, which reads the files that it names."""

from cvl.rules.evaluation import evaluate
from cvl.rules.model import Context, Metric, Rule, Status, Verdict, Verification, Where
from cvl.rules.parse import parse, problems
from cvl.rules.summary import Outcome, outcome

__all__ = [
    "Context",
    "Metric",
    "Outcome",
    "Rule",
    "Status",
    "Verdict",
    "Verification",
    "Where",
    "evaluate",
    "outcome",
    "parse",
    "problems",
]
