"""torch's compiler is put off until something is compiled, and works then."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAINING = """
import sys, torch
from grader.kernel.caged.compiler import is_put_off, put_off_compiler
put_off_compiler()
model = torch.nn.Linear(2, 1)
for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"):
    optimiser = getattr(torch.optim, name)(model.parameters(), lr=0.1)
    def loss():
        optimiser.zero_grad()
        out = model(torch.ones(1, 2)).sum()
        out.backward()
        return out
    before = model.weight.detach().clone()
    optimiser.step(loss)
    assert not torch.equal(before, model.weight), name
optimiser.load_state_dict(optimiser.state_dict())
scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(model.parameters(), lr=0.1), 1)
scheduler.optimizer.step()
scheduler.step()
assert is_put_off() and "torch._dynamo.eval_frame" not in sys.modules
"""

USES = {
    "compiling": """
double = torch.compile(lambda x: 2 * x, backend="eager", fullgraph=True)
assert double(torch.ones(2)).tolist() == [2, 2]
""",
    "a part of it": """
from torch._dynamo.utils import counters
import torch._dynamo.utils as utils
assert utils is sys.modules["torch._dynamo.utils"] is torch._dynamo.utils
assert utils.counters is counters and utils.__spec__.origin.endswith("utils.py")
import torch._dynamo.eval_frame as frames
assert frames is torch._dynamo.eval_frame
""",
    "a setting of it": """
import torch._dynamo
assert torch._dynamo.config.cache_size_limit > 0
""",
    "what is disabled": """
calls = []
hidden = torch._dynamo.disable(lambda x: calls.append(torch.compiler.is_compiling()) or x + 1)
assert hidden(torch.ones(1)).item() == 2 and is_put_off()
both = torch.compile(lambda x: hidden(2 * x), backend="eager")
assert both(torch.ones(1)).item() == 3 and calls == [False, False]
""",
}


@pytest.mark.parametrize("use", USES)
def test_the_compiler_is_there_once_it_is_used(use: str) -> None:
    after = """
assert not is_put_off() and "torch._dynamo.eval_frame" in sys.modules
optimiser.step(loss)
assert not any(finder.__name__ == "_Parts" for finder in sys.meta_path if type(finder) is type)
"""
    code = TRAINING + USES[use] + after
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_looking_through_all_modules_leaves_it_put_off() -> None:
    code = TRAINING + (
        "import inspect\n"
        "for module in list(sys.modules.values()):\n"
        "    getattr(module, '__file__', None), getattr(module, '__wrapped__', None)\n"
        "inspect.getmodule(loss)\n"
        "import importlib.util\n"
        "assert importlib.util.find_spec('torch._dynamo') is not None\n"
        "assert is_put_off()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
