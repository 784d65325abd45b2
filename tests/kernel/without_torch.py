"""An environment without torch and matplotlib, for zygotes that need not be slow to start."""

from __future__ import annotations

import os
from pathlib import Path

from grader.kernel import cage


def hide_torch(folder: str) -> None:
    """Have zygotes without a cage find nothing but an ImportError under these names."""
    for name in ("torch", "matplotlib"):
        Path(folder, f"{name}.py").write_text(f"raise ImportError('no {name} here')")
    whole = cage.environment_without_cage

    def environment(home: Path) -> dict[str, str]:
        variables = whole(home)
        path = os.pathsep.join([folder, variables["PYTHONPATH"]])
        return {**variables, "PYTHONPATH": path}

    cage.environment_without_cage = environment
