"""Entries: ``python -m caged zygote FD [--namespaces]``, ``cold FILE ...`` and ``trial ...``.

An entry of its own, because IPython puts the notebook's namespace in the
place of ``__main__``: no module of the cage may be that one.
"""

import os
import sys

if __name__ == "__main__":
    os.environ.pop("GLIBC_TUNABLES", None)  # in force by now, and none of student code's business
    name, *arguments = sys.argv[1:]
    if name == "zygote":
        from caged.zygote import main
    elif name == "cold":
        from caged.cold import main
    elif name == "trial":
        from caged.trial import main
    else:
        sys.exit(f"caged: no entry named {name}")
    main(arguments)
