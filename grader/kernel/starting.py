"""What all kernels have in common when they start: how long that may take, how it fails, data files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

START_SECONDS: Final = 120.0


class ZygoteError(RuntimeError):
    """No kernel comes up, or the zygote or the cage around it is gone: the environment's fault."""


def lay_files(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Write the data files handed in below `folder`, for whoever runs the notebook to read.

    Raises
    ------
    ValueError
        If a name leads out of `folder`.
    """
    for name, data in files.items():
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"a data file named {name} would lie outside the scratch folder")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
