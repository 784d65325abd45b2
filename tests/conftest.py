"""How the tests are shared out between processes: all that is asked of one sample goes to one of them."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a sample's tests together, so that it is graded once; they begin first, for some take long.

    pytest-xdist's own ``--dist loadgroup`` does nothing with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class BySample(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            _, bracket, sample = test.partition("[")
            return sample if bracket and file.startswith("tests/samples/") else nodeid

    return BySample(config, log)
