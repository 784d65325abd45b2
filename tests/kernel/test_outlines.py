"""A model made without initial values tells of its structure what one made in full tells."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from grader.kernel.caged.agent import Agent
from grader.kernel.caged.networks import layers_with_state
from grader.kernel.caged.outlines import blank_layers, passed_through
from grader.kernel.caged.wire import unpack


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(500, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 8, num_layers=2, bidirectional=True, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.words(x.long()))
        return self.head(self.norm(states).mean(dim=1))


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
        self.last = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.last(self.attend(x, x, x)[0])


class Shared(nn.Module):
    """A layer twice, its weight once more by itself, and a parameter that the network draws itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.own = nn.Parameter(torch.empty(80, 60).normal_())
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(functional.relu(self.conv(x)))
        x = functional.conv2d(x, self.conv.weight, stride=2)
        return x @ self.own[: x.shape[-1]]


def various() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", dilation=2),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, (3, 5), stride=(2, 1), padding=(1, 0), groups=4, bias=False),
        nn.GroupNorm(4, 16),
        nn.ReLU6(),
        nn.Conv2d(16, 8, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 1000),
    )


def lazy() -> nn.Module:
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "various": (various, (2, 3, 12, 14)),
    "recurrent": (Recurrent, (2, 7)),
    "attending": (Attending, (2, 5, 6)),
    "shared": (Shared, (1, 3, 9, 9)),
    "lazy": (lazy, (1, 3, 5, 5)),
}


def ask(agent: Agent, question: dict[str, Any]) -> Any:
    return unpack(agent.answer(question))


def made(agent: Agent, name: str, *, outline: bool) -> Any:
    question = {"ask": "call", "target": name, "args": [], "kwargs": {}, "keep": True}
    return ask(agent, {**question, "outline": outline})["value"]


@pytest.mark.parametrize("operations", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_outline_is_traced_as_the_model_in_full(name: str, operations: bool) -> None:
    make, shape = NETWORKS[name]
    agent = Agent({"Net": make}, 1 << 24)
    told = []
    for outline in (True, False):
        model = made(agent, "Net", outline=outline)
        trace = {"ask": "trace", "target": model, "operations": operations}
        answers = [ask(agent, {**trace, "inputs": [torch.zeros(shape)]})["value"]]
        answers += [
            ask(agent, {"ask": a, "target": model})["value"] for a in ("modules", "parameters")
        ]
        told.append([msgspec.msgpack.decode(answer) for answer in answers])
    assert told[0] == told[1]
    assert len(told[0][0]["layers"]) >= 2
    assert bool(told[0][0]["operations"]) is operations


@pytest.mark.parametrize("name", ["various", "recurrent"])
def test_given_weights_give_an_outline_the_forward_pass_of_the_model_that_has_them(
    name: str,
) -> None:
    make, shape = NETWORKS[name]
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(shape, generator=generator) * 9
    ours = make()
    weights = [
        {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
        for state in layers_with_state(ours, x)
    ]
    agent = Agent({"Net": make}, 1 << 24)
    model = made(agent, "Net", outline=True)
    answer = ask(
        agent,
        {"ask": "forward", "target": model, "inputs": [x], "weights": weights, "training": False},
    )
    with torch.no_grad():
        np.testing.assert_allclose(answer["value"].array, ours(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "told"),
    [((2, 4, 8, 8), "to have 3 channels, but got 4"), ((2, 3, 2, 2), "Kernel size"), ((3,), "3D")],
)
def test_an_input_that_does_not_fit_is_refused_in_the_words_of_torch(
    shape: tuple[int, ...], told: str
) -> None:
    agent = Agent({"Net": lambda: nn.Sequential(nn.Conv2d(3, 4, 3))}, 1 << 20)
    model = made(agent, "Net", outline=True)
    answer = ask(agent, {"ask": "trace", "target": model, "inputs": [torch.zeros(shape)]})
    assert told in answer["raised"]["message"]


def test_outlines_keep_the_precision_that_a_notebook_has_set() -> None:
    agent = Agent({"Net": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(70, 70))}, 1 << 20)
    torch.set_default_dtype(torch.float64)
    try:
        model = made(agent, "Net", outline=True)
        trace = {"ask": "trace", "target": model, "inputs": [torch.zeros(1, 1, 4, 72)]}
        assert "value" in ask(agent, trace)
        assert {p.dtype for p in agent.kept[0].parameters()} == {torch.float64}
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("outline", [False, True])
def test_given_weights_reach_a_model_that_was_made_on_another_device(outline: bool) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    agent = Agent({"Net": lambda: nn.Linear(3, 2, bias=False)}, 1 << 20)
    question = {
        "ask": "forward",
        "inputs": [torch.ones(1, 3)],
        "weights": [{"weight": weight}],
        "training": False,
    }
    torch.set_default_device("meta")
    try:
        model = made(agent, "Net", outline=outline)
        answer = ask(agent, {**question, "target": model})
    finally:
        torch.set_default_device(None)
    np.testing.assert_allclose(answer["value"].array, [[3, 12]])


def test_layers_draw_their_values_again_after_an_outline_also_after_one_that_fails() -> None:
    def fail() -> nn.Module:
        raise RuntimeError("not today")

    agent = Agent({"Net": various, "fail": fail}, 1 << 20)
    before = (torch.empty, nn.init.uniform_, nn.Linear.reset_parameters, functional.conv2d)
    model = made(agent, "Net", outline=True)
    ask(agent, {"ask": "trace", "target": model, "inputs": [torch.zeros(1, 3, 8, 8)]})
    failed = {"ask": "call", "target": "fail", "args": [], "kwargs": {}, "keep": True}
    assert ask(agent, {**failed, "outline": True})["raised"]["message"] == "not today"
    assert (torch.empty, nn.init.uniform_, nn.Linear.reset_parameters, functional.conv2d) == before
    assert nn.Linear(3, 3).weight.std() > 0


def test_values_that_a_model_makes_by_itself_stay() -> None:
    with blank_layers():
        own = torch.linspace(0, 1, 5000)
        layer = nn.Linear(100, 100)
    assert own[-1] == 1
    assert not layer.weight.any()


def test_only_convolutions_of_the_outline_itself_are_passed_through() -> None:
    model, other = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    x = torch.ones(1, 1, 2, 2)
    with passed_through(model):
        assert not model(x).any()
        assert other(x).any()
    assert model(x).any()


def test_equal_calls_share_an_outline_until_the_function_is_another() -> None:
    calls: list[tuple[Any, ...]] = []

    def make(*args: Any) -> nn.Module:
        calls.append(args)
        return nn.Linear(2, 2)

    agent = Agent({"Net": make}, 1 << 20)
    question = {"ask": "call", "target": "Net", "kwargs": {}, "keep": True, "outline": True}
    for args in ([1], [1], [1.0], [True], [(1,)], [(1,)]):
        ask(agent, {**question, "args": args})
        agent.begin({})
    assert calls == [(1,), (1.0,), (True,), ((1,),), ((1,),)]
    agent.namespace["Net"] = lambda _: nn.Conv2d(1, 1, 1)
    model = ask(agent, {**question, "args": [1]})["value"]
    trace = {"ask": "trace", "target": model, "inputs": [torch.zeros(1, 1, 2, 2)]}
    assert "value" in ask(agent, trace)


def test_an_outline_that_had_weights_takes_others() -> None:
    agent = Agent({"Net": lambda: nn.Linear(2, 1)}, 1 << 20)
    x = torch.ones(1, 2)
    told = []
    for weight in (1.0, 5.0):
        model = made(agent, "Net", outline=True)
        weights = [{"weight": np.full((1, 2), weight, np.float32), "bias": np.zeros(1, np.float32)}]
        forward = {"ask": "forward", "target": model, "inputs": [x], "training": False}
        told.append(ask(agent, {**forward, "weights": weights})["value"].array.item())
        agent.begin({})
    assert told == [2.0, 10.0]


MADE = {
    "plain": lambda: nn.Conv2d(4, 8, 3),
    "sizes and options": lambda: nn.Conv2d(6, 12, (3, 5), 2, padding=(1, 0), groups=3, bias=False),
    "by name": lambda: nn.Conv2d(in_channels=2, out_channels=4, kernel_size=1, dilation=2),
    "padded as torch says": lambda: nn.Conv2d(2, 2, 3, padding="same", padding_mode="circular"),
    "normalised": lambda: nn.BatchNorm2d(5, momentum=None),
    "without statistics": lambda: nn.BatchNorm2d(5, 1e-3, track_running_stats=False),
    "without parameters": lambda: nn.BatchNorm2d(5, affine=False),
    "activations": lambda: nn.Sequential(nn.ReLU(), nn.ReLU(True), nn.ReLU6(inplace=True)),
}


def all_of(layer: nn.Module) -> list[dict[str, Any]]:
    return [
        {
            name: {k: (None if v is None else tuple(v.shape), type(v)) for k, v in value.items()}
            if name in ("_parameters", "_buffers")
            else [*value]
            if name == "_modules"
            else value
            for name, value in vars(module).items()
        }
        for module in layer.modules()
    ]


@pytest.mark.parametrize("name", MADE)
def test_a_layer_like_one_before_has_what_torch_gives_it(name: str) -> None:
    usual = MADE[name]()
    with blank_layers():
        _, layer = MADE[name](), MADE[name]()
    assert all_of(layer) == all_of(usual)
    for before, after in zip(usual.buffers(), layer.buffers(), strict=True):
        assert torch.equal(before, after)
    assert all(p.requires_grad and not p.any() for p in layer.parameters())


def test_like_layers_share_nothing() -> None:
    with blank_layers():
        _, first, second = (
            nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64)) for _ in range(3)
        )
    with torch.no_grad():
        for tensor in [*first.parameters(), *first.buffers()]:
            tensor.fill_(7)
    first[0].register_forward_hook(lambda *_: None)
    assert not any((tensor == 7).any() for tensor in [*second.parameters(), *second.buffers()])
    assert not second[0]._forward_hooks


def test_a_layer_of_other_sizes_has_those() -> None:
    with blank_layers():
        nn.Conv2d(3, 9, 3, groups=3)
        layer = nn.Conv2d(8, 4, 3, groups=2)
    assert (layer.in_channels, layer.out_channels, layer.groups) == (8, 4, 2)
    assert (layer.weight.shape, layer.bias.shape) == ((4, 4, 3, 3), (4,))


def test_what_no_layer_can_be_made_of_is_refused_in_the_words_of_torch() -> None:
    with blank_layers():
        nn.Conv2d(4, 4, 3, groups=2)
        with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
            nn.Conv2d(3, 4, 3, groups=2)
        with pytest.raises(TypeError, match="out_channels"):
            nn.Conv2d(3)
        with pytest.raises(TypeError):
            nn.Conv2d(3, "4", 3)


def test_a_constructor_of_the_notebooks_own_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Mine(nn.Conv2d):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self.out_channels)

    base = nn.BatchNorm2d.__mro__[2]  # where its constructor does most
    usual = base.__init__

    def counting(self: Any, *args: Any, **options: Any) -> None:
        usual(self, *args, **options)
        made.append(-1)

    monkeypatch.setattr(base, "__init__", counting)
    with blank_layers():
        for _ in range(2):
            Mine(1, 2, 3)
            nn.BatchNorm2d(4)
    assert made == [2, -1, 2, -1]


@pytest.mark.parametrize("training", [False, True])
def test_what_follows_a_convolution_gives_the_shapes_that_it_does(training: bool) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU6(inplace=True),
        nn.ReLU(),
        nn.Hardtanh(0, 6, True),
        nn.MaxPool2d(2),
    ).train(training)
    x = torch.zeros(2, 3, 9, 9)
    with torch.no_grad(), passed_through(model):
        passed = model(x)
    assert passed.shape == model(x).shape
    assert not passed.any()


def test_a_batch_too_small_to_normalise_is_refused_in_the_words_of_torch() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with passed_through(model), pytest.raises(ValueError, match="more than 1 value per channel"):
        model(torch.zeros(1, 1, 3, 3))


def test_what_is_done_to_a_layer_is_not_done_to_one_like_it() -> None:
    with blank_layers():
        first = nn.Conv2d(2, 2, 3)
        first.bias = None
        nn.utils.parametrizations.weight_norm(first)
        norm = nn.BatchNorm2d(2)
        norm.running_mean = None
        assert [name for name, _ in nn.Conv2d(2, 2, 3).named_parameters()] == ["weight", "bias"]
        assert nn.BatchNorm2d(2).running_mean is not None


def test_an_option_that_torch_refuses_is_refused_after_one_that_equals_it() -> None:
    with blank_layers():
        nn.Conv2d(2, 2, (3, 3))
        with pytest.raises(TypeError):
            nn.Conv2d(2, 2, (3.0, 3.0))  # type: ignore[arg-type]
