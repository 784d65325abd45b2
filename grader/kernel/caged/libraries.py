"""The libraries of the notebooks, imported before their first cell."""

from __future__ import annotations

import contextlib
import sys

from .compiler import put_off_compiler
from .settled import note_libraries


def import_libraries() -> dict[str, str]:
    """Import what notebooks of this field use, on one thread; return their versions."""
    import IPython
    import numpy
    import numpy.random  # which would come with its first use, too late to be seeded

    versions = {
        "python": sys.version.split()[0],
        "ipython": IPython.__version__,
        "numpy": numpy.__version__,
    }
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)
        put_off_compiler()
        model = torch.nn.Linear(2, 1)
        model(torch.ones(1, 2)).sum().backward()  # sets up much that every child would repeat
        versions["torch"] = str(torch.__version__)
    note_libraries()
    return versions
