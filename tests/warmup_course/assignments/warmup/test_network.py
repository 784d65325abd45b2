import pytest
import torch

from grader.checks import module_weights

question = pytest.mark.question


@question("network")
@pytest.mark.part("layers")
def test_network(student, reference, expect):
    model = reference.Net(hidden=5)
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    net = student.module("Net", hidden=5)
    assert net.parameter_count == 26
    with torch.no_grad():
        expected = model.eval()(x)
    expect(net.forward(x, weights=module_weights(model, x))).close(expected, atol=1e-5)


@question("network")
@pytest.mark.part("training")
def test_loss_falls(student, expect):
    losses = [c for c in student.recorded.curves() if c.metric == "loss"]
    expect.satisfies(bool(losses) and losses[0].values[-1] < losses[0].values[0], "loss-rises")


@question("extra")
@pytest.mark.part("choice")
def test_choice(student, expect):
    answer = student.value("activation", kind="choice", options=["relu", "none"])
    expect(answer).choice("relu")
