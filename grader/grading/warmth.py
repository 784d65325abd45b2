"""What a zygote should have ready: what the checks ask for, and what the code that runs will use."""

from __future__ import annotations

from grader.course.assignment import Assignment


def asked_by_checks(assignment: Assignment) -> list[str]:
    """Return what the checks of `assignment` have done inside the cage."""
    checks = "\n".join(path.read_text("utf-8") for path in assignment.folder.glob("*.py"))
    return ["networks"] if any(word in checks for word in (".module(", "torch.optim")) else []


def used_by(code: str) -> list[str]:
    """Return what `code` seems to use."""
    words = {
        "optimisers": ("optim",),
        "figures": ("plot", "plt", "seaborn"),
        "learning": ("sklearn",),
        "science": ("scipy",),
        "tables": ("pandas", "seaborn"),
    }
    return [name for name, signs in words.items() if any(sign in code for sign in signs)]


def likely(assignment: Assignment) -> list[str]:
    """Return what hand-ins of `assignment` are likely to want, going by its reference."""
    reference = assignment.root / "reference" / f"{assignment.slug}.py"
    code = reference.read_text("utf-8") if reference.is_file() else ""
    return asked_by_checks(assignment) + used_by(code)
