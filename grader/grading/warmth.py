"""What a zygote should have ready: what the checks ask for, and what the code that runs will use."""

from __future__ import annotations

from grader.course.assignment import Assignment


def asked_by_checks(assignment: Assignment) -> list[str]:
    """Return what the checks of `assignment` have done inside the cage."""
    checks = "\n".join(path.read_text("utf-8") for path in assignment.folder.glob("*.py"))
    return ["networks"] if any(word in checks for word in (".module(", "torch.optim")) else []


def used_by(code: str) -> list[str]:
    """Return what `code` seems to use."""
    uses = ["optimisers"] if "optim" in code else []
    return uses + ["figures"] * any(word in code for word in ("plot", "plt", "seaborn"))


def likely(assignment: Assignment) -> list[str]:
    """Return what hand-ins of `assignment` are likely to want, going by its reference."""
    reference = assignment.root / "reference" / f"{assignment.slug}.py"
    code = reference.read_text("utf-8") if reference.is_file() else ""
    return asked_by_checks(assignment) + used_by(code)
