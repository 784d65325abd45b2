"""The reference of hw4_convnets against independent routes and the figures of the coursework."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import ModuleType

import jupytext
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import signal
from torch import nn
from torch.nn import functional as F  # noqa: N812

from grader.checks.reference import load_reference

Array = npt.NDArray[np.float64]

X = np.array([[1, 2, 1, 0], [2, 1, 0, 1], [1, 0, 2, 1], [0, 1, 2, 1]])
W = np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1]])
DY = np.array([[1, -1], [-1, 1]])


ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reference" / "hw4_convnets.py"


@pytest.fixture(scope="module")
def hw4() -> ModuleType:
    return load_reference(REFERENCE)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


# ---- theory 1 --------------------------------------------------------------------------------


@pytest.mark.parametrize(("fan_in", "fan_out"), [(512, 512), (900, 300)])
def test_variances_are_those_that_torch_draws(hw4: ModuleType, fan_in: int, fan_out: int) -> None:
    torch.manual_seed(0)
    weights = torch.empty(fan_out, fan_in)
    nn.init.xavier_normal_(weights)
    assert hw4.xavier_variance(fan_in, fan_out) == pytest.approx(weights.var().item(), rel=0.02)
    nn.init.kaiming_normal_(weights, nonlinearity="relu")
    assert hw4.he_variance(fan_in, fan_out) == pytest.approx(weights.var().item(), rel=0.02)


def test_he_keeps_the_signal_through_relu_layers_and_xavier_does_not(
    hw4: ModuleType, rng: np.random.Generator
) -> None:
    width, depth = 400, 20
    powers = {}
    for name in ("he_variance", "xavier_variance"):
        x = rng.normal(size=(50, width))
        for _ in range(depth):
            spread = np.sqrt(getattr(hw4, name)(width, width))
            x = np.maximum(x @ rng.normal(scale=spread, size=(width, width)), 0)
        powers[name] = (x**2).mean()
    assert 0.3 < powers["he_variance"] < 3
    assert powers["xavier_variance"] == pytest.approx(2.0**-depth, rel=2)


def test_a_step_from_equal_filters_leaves_them_equal(hw4: ModuleType) -> None:
    assert hw4.distinct_from_zero == 1
    assert hw4.distinct_from_constant == 1
    assert hw4.distinct_from_random == 4


def test_a_step_is_that_of_an_optimiser(hw4: ModuleType) -> None:
    filters = nn.Parameter(hw4.random_filters.clone())
    readout = nn.Parameter(hw4.random_readout.clone())
    optimiser = torch.optim.SGD([filters, readout], lr=0.3)
    activations = torch.conv2d(hw4.tiny_images, filters).clamp(min=0)
    F.mse_loss(activations.mean((2, 3)) @ readout, hw4.tiny_targets).backward()
    optimiser.step()
    step = hw4.filters_after_step(
        hw4.random_filters, hw4.random_readout, hw4.tiny_images, hw4.tiny_targets, 0.3
    )
    torch.testing.assert_close(step, filters.detach())
    assert not torch.equal(step, hw4.random_filters)


# ---- theory 2 --------------------------------------------------------------------------------


def test_conv_gradients_are_those_of_the_coursework(hw4: ModuleType) -> None:
    np.testing.assert_array_equal(hw4.X, X)
    np.testing.assert_array_equal(hw4.W, W)
    np.testing.assert_array_equal(hw4.dY, DY)
    np.testing.assert_array_equal(signal.correlate2d(X, W, "valid"), [[1, 1], [1, 2]])
    np.testing.assert_array_equal(hw4.dW, [[-2, 0, 2], [0, 3, -2], [2, -1, 0]])
    np.testing.assert_array_equal(
        hw4.dX, [[1, -2, 1, 0], [-1, 3, -3, 1], [-1, 0, 3, -2], [1, -1, -1, 1]]
    )


@pytest.mark.parametrize(
    ("image", "filter_"), [((4, 4), (3, 3)), ((7, 5), (2, 4)), ((6, 9), (1, 5))]
)
def test_conv_gradients_are_those_of_autograd_and_scipy(
    hw4: ModuleType, rng: np.random.Generator, image: tuple[int, int], filter_: tuple[int, int]
) -> None:
    x, w = (torch.tensor(rng.normal(size=size), requires_grad=True) for size in (image, filter_))
    y = F.conv2d(x[None, None], w[None, None])[0, 0]
    dy = rng.normal(size=y.shape)
    y.backward(torch.tensor(dy))
    dw = hw4.conv2d_weight_gradient(x.detach().numpy(), dy)
    dx = hw4.conv2d_input_gradient(w.detach().numpy(), dy)
    assert x.grad is not None
    assert w.grad is not None
    np.testing.assert_allclose(dw, w.grad, atol=1e-12)
    np.testing.assert_allclose(dx, x.grad, atol=1e-12)
    np.testing.assert_allclose(dx, signal.convolve2d(dy, w.detach(), "full"), atol=1e-12)


# ---- theory 3 --------------------------------------------------------------------------------


def test_sentiment_answers_are_those_of_the_coursework(hw4: ModuleType) -> None:
    assert (hw4.softmax_calls, hw4.softmax_size) == (1, 5)
    assert (hw4.step_inputs, hw4.output_state) == ("b", "last")


def _rnn(rng: np.random.Generator, n: int, d: int, h: int, c: int) -> dict[str, Array]:
    sizes = {
        "sentence": (n, d),
        "W_xh": (d, h),
        "W_hh": (h, h),
        "b_h": (h,),
        "W_hy": (h, c),
        "b_y": (c,),
    }
    return {name: rng.normal(size=size) for name, size in sizes.items()}


def test_sentiment_is_that_of_torchs_rnn(hw4: ModuleType, rng: np.random.Generator) -> None:
    given = _rnn(rng, n=7, d=3, h=4, c=5)
    cell = nn.RNN(3, 4, batch_first=True).double()
    head = nn.Linear(4, 5).double()
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(given["W_xh"].T))
        cell.weight_hh_l0.copy_(torch.tensor(given["W_hh"].T))
        cell.bias_ih_l0.copy_(torch.tensor(given["b_h"]))
        cell.bias_hh_l0.zero_()
        head.weight.copy_(torch.tensor(given["W_hy"].T))
        head.bias.copy_(torch.tensor(given["b_y"]))
        _, last = cell(torch.tensor(given["sentence"])[None])
        expected = head(last[0, 0]).softmax(0)
    probabilities = hw4.sentiment_probabilities(**given)
    np.testing.assert_allclose(probabilities, expected, atol=1e-12)
    assert probabilities.sum() == pytest.approx(1)


def test_shapes_are_those_of_a_forward_pass(hw4: ModuleType, rng: np.random.Generator) -> None:
    n, d, h, c, batch = 7, 3, 4, 5, 2
    shapes = hw4.rnn_shapes(n, d, h, c, batch)
    tensors = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    state = np.zeros(shapes["h_t"])
    for t in range(n):
        x_t = tensors["sentence"][:, t]
        assert x_t.shape == shapes["x_t"]
        state = np.tanh(x_t @ tensors["W_xh"] + state @ tensors["W_hh"] + tensors["b_h"])
        assert state.shape == shapes["h_t"]
    scores = state @ tensors["W_hy"] + tensors["b_y"]
    assert scores.shape == shapes["probabilities"] == (2, 5)


# ---- theory 4 --------------------------------------------------------------------------------


def test_grad_cam_by_hand(hw4: ModuleType) -> None:
    np.testing.assert_array_equal(hw4.alphas, [2, -1, 1])
    np.testing.assert_array_equal(hw4.cam, [[4, 0, 3], [5, 5, 0], [0, 3, 4]])


def test_grad_cam_of_a_globally_averaging_network_is_cam(hw4: ModuleType) -> None:
    torch.manual_seed(3)
    model = hw4.SmallCNN()
    image = torch.randn(1, 1, 12, 10)
    with torch.no_grad():
        features = model.features(image)[0]
    for label in range(3):
        weights = model.head.weight[label] / features[0].numel()
        expected = torch.einsum("k,khw->hw", weights, features).clamp(min=0)
        answer = hw4.grad_cam(model, model.features, image, label)
        np.testing.assert_allclose(answer, expected.detach(), atol=1e-7)
    assert not model.features._forward_hooks


def test_grad_cam_weights_are_finite_differences_of_the_score(
    hw4: ModuleType, rng: np.random.Generator
) -> None:
    head = nn.Sequential(nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(27, 2)).double()
    maps = torch.tensor(rng.normal(size=(1, 4, 5, 5)), requires_grad=True)
    (gradients,) = torch.autograd.grad(head(maps)[0, 1], maps)
    alphas = hw4.grad_cam_alphas(gradients[0].numpy())
    step = 1e-5
    for k in range(4):
        raised = maps.detach().clone()
        raised[0, k] += step
        with torch.no_grad():
            slope = (head(raised) - head(maps))[0, 1] / step
        assert alphas[k] == pytest.approx(slope.item() / 25, abs=1e-5)


# ---- practice 1 ------------------------------------------------------------------------------

STAGES: dict[str, list[list[float]]] = {
    "conv_out": [
        [59, 92, 101.5, 22.5, 49],
        [42, 70, 91.5, 125, 35.5],
        [22, 47, 78.5, 94, 82.5],
        [20, 39, 69, 62, 27],
        [13, 27, 38, 33, 17],
    ],
    "residual_out": [
        [159, 242, 301.5, 72.5, 79],
        [122, 190, 271.5, 380, 125.5],
        [62, 117, 188.5, 324, 282.5],
        [50, 99, 169, 212, 147],
        [33, 77, 118, 133, 107],
    ],
    "pooled": [[242, 380], [117, 324]],
}


def test_residual_stages_are_those_of_the_coursework(hw4: ModuleType) -> None:
    for name, expected in STAGES.items():
        np.testing.assert_allclose(getattr(hw4, name), expected, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(hw4.relu_out, hw4.conv_out)
    assert hw4.average == pytest.approx(265.75)


@pytest.mark.parametrize("size", [(5, 5), (6, 9), (3, 4)])
def test_residual_stages_are_those_of_torch(
    hw4: ModuleType, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    image, kernel = rng.normal(size=size), rng.normal(size=(3, 3))
    x, k = torch.tensor(image)[None, None], torch.tensor(kernel)[None, None]
    conv = F.conv2d(x, k, padding=1)
    out = F.relu(F.relu(conv) + x)
    pooled = F.max_pool2d(out, 2)
    np.testing.assert_allclose(hw4.conv2d(image, kernel), conv[0, 0], atol=1e-12)
    ours = hw4.relu(conv[0, 0].numpy())
    assert (ours == 0).any()
    ours = hw4.add_shortcut(ours, image)
    np.testing.assert_allclose(ours, out[0, 0], atol=1e-12)
    np.testing.assert_allclose(hw4.max_pool(ours), pooled[0, 0], atol=1e-12)
    assert hw4.global_average(pooled[0, 0].numpy()) == pytest.approx(pooled.mean().item())


@pytest.mark.parametrize(("stride", "padding"), [(2, 1), (1, 0), (3, 2)])
def test_convolution_takes_any_stride_and_padding(
    hw4: ModuleType, rng: np.random.Generator, stride: int, padding: int
) -> None:
    image, kernel = rng.normal(size=(8, 11)), rng.normal(size=(3, 5))
    x, k = torch.tensor(image)[None, None], torch.tensor(kernel)[None, None]
    expected = F.conv2d(x, k, stride=stride, padding=padding)[0, 0]
    np.testing.assert_allclose(hw4.conv2d(image, kernel, stride, padding), expected, atol=1e-12)


# ---- practice 2 ------------------------------------------------------------------------------


def test_costs_are_counted_from_the_weights(hw4: ModuleType) -> None:
    D, M, N, size = 3, 16, 24, 7
    standard = nn.Conv2d(M, N, D, bias=False)
    separable = [nn.Conv2d(M, M, D, groups=M, bias=False), nn.Conv2d(M, N, 1, bias=False)]
    per_pixel = sum(layer.weight.numel() for layer in separable)
    assert hw4.standard_cost(D, M, N, size) == standard.weight.numel() * size**2
    assert hw4.separable_cost(D, M, N, size) == per_pixel * size**2
    ratio = hw4.separable_cost(D, M, N, size) / hw4.standard_cost(D, M, N, size)
    assert hw4.cost_ratio(D, N) == pytest.approx(ratio)


def test_costs_are_those_of_the_papers_third_table(hw4: ModuleType) -> None:
    layer = {"D": 3, "M": 512, "N": 512, "F": 14}
    assert hw4.standard_cost(**layer) / 1e6 == pytest.approx(462, abs=0.5)
    assert hw4.separable_cost(**layer) / 1e6 == pytest.approx(52.3, abs=0.05)
    assert hw4.separable_cost(**layer, alpha=0.75) / 1e6 == pytest.approx(29.6, abs=0.05)
    assert hw4.separable_cost(**layer, alpha=0.75, rho=0.714) / 1e6 == pytest.approx(15.1, abs=0.05)


@pytest.mark.parametrize(
    ("network", "classes", "parameters"),
    [
        ("MobileNetV1", 1000, 4_231_976),
        ("MobileNetV2", 1000, 3_504_872),
        ("MobileNetV2", 10, 2_236_682),
    ],
)
def test_parameter_counts_are_those_of_the_coursework(
    hw4: ModuleType, network: str, classes: int, parameters: int
) -> None:
    with torch.device("meta"):
        model = getattr(hw4, network)(num_classes=classes)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("channels", "divisible"), [(4, 8), (6, 8), (12, 16), (24, 24), (33.6, 32), (72, 72), (8.5, 8)]
)
def test_channels_are_rounded_as_the_papers_authors_do(
    hw4: ModuleType, channels: float, divisible: int
) -> None:
    assert hw4.make_divisible(channels) == divisible


def test_separable_convolution_is_two_convolutions(hw4: ModuleType) -> None:
    torch.manual_seed(1)
    block = hw4.DepthwiseSeparableConv(4, 6, stride=2).eval()
    x = torch.randn(2, 4, 9, 8)
    state = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    depthwise, pointwise = state["depthwise.0.weight"], state["pointwise.0.weight"]
    assert depthwise.shape == (4, 1, 3, 3)
    assert pointwise.shape == (6, 4, 1, 1)
    per_channel = [F.conv2d(x[:, [m]], depthwise[[m]], stride=2, padding=1) for m in range(4)]
    hidden = torch.cat(per_channel, dim=1).clamp(min=0) / np.sqrt(1 + 1e-5)
    expected = torch.einsum("nm,bmhw->bnhw", pointwise[:, :, 0, 0], hidden).clamp(min=0)
    torch.testing.assert_close(block(x), expected / np.sqrt(1 + 1e-5), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "has_shortcut"), [((6, 6, 1), True), ((6, 6, 2), False), ((6, 8, 1), False)]
)
def test_inverted_residual_is_linear_at_its_end_and_adds_only_equal_shapes(
    hw4: ModuleType, sizes: tuple[int, int, int], has_shortcut: bool
) -> None:
    torch.manual_seed(2)
    block = hw4.InvertedResidual(*sizes, expand_ratio=3).eval()
    x = torch.randn(2, 6, 8, 8)
    expand, depthwise, project = [m.weight for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert expand.shape[0] == depthwise.shape[0] == project.shape[1] == 18
    scale = 1 / np.sqrt(1 + 1e-5)
    hidden = (F.conv2d(x, expand) * scale).clamp(0, 6)
    hidden = F.conv2d(hidden, depthwise, stride=sizes[2], padding=1, groups=18) * scale
    expected = F.conv2d(hidden.clamp(0, 6), project) * scale
    if has_shortcut:
        expected = expected + x
    answer = block(x)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-4)
    assert (answer < 0).any()


def test_without_expansion_there_is_no_expanding_convolution(hw4: ModuleType) -> None:
    block = hw4.InvertedResidual(8, 4, 1, expand_ratio=1)
    assert len([m for m in block.modules() if isinstance(m, nn.Conv2d)]) == 2


@pytest.mark.parametrize("network", ["MobileNetV1", "MobileNetV2", "PlainCNN"])
def test_networks_take_images_of_any_size_and_any_width(hw4: ModuleType, network: str) -> None:
    model = getattr(hw4, network)(num_classes=7, width_mult=0.25).eval()
    wider = getattr(hw4, network)(num_classes=7, width_mult=0.5)
    for size in (32, 45):
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)
    assert _features(model)[0] == 8
    assert [2 * c for c in _features(model)[-1:]] == _features(wider)[-1:] or network.endswith("2")
    assert sum(_features(wider)) > sum(_features(model))


def _features(model: nn.Module) -> list[int]:
    return [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]


def test_a_plain_network_has_standard_convolutions_only(hw4: ModuleType) -> None:
    model = hw4.PlainCNN(width_mult=0.25)
    assert {m.groups for m in model.modules() if isinstance(m, nn.Conv2d)} == {1}


def test_the_resolution_multiplier_scales_both_sides(hw4: ModuleType) -> None:
    images = torch.rand(2, 3, 32, 64)
    assert hw4.scale_resolution(images, 0.75).shape == (2, 3, 24, 48)
    torch.testing.assert_close(hw4.scale_resolution(images, 1.0), images)


def test_drawn_shapes_are_balanced_reproducible_and_different(hw4: ModuleType) -> None:
    images, labels = hw4.draw_shapes(40, seed=1)
    again, _ = hw4.draw_shapes(40, seed=1)
    other, _ = hw4.draw_shapes(40, seed=2)
    assert images.shape == (40, 3, 32, 32)
    assert images.abs().max() <= 1
    assert torch.bincount(labels).tolist() == [4] * 10
    assert torch.equal(images, again)
    assert not torch.equal(images, other)


def test_training_learns_and_reports_every_epoch(
    hw4: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    data = (*hw4.draw_shapes(100, seed=1), *hw4.draw_shapes(50, seed=2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    history = hw4.train_model("linear", model, data, epochs=4)
    assert set(history) == {"train loss", "train acc", "val loss", "val acc"}
    assert all(len(curve) == 4 for curve in history.values())
    assert history["train loss"][-1] < history["train loss"][0]
    assert capsys.readouterr().out.count("linear  epoch") == 4


# ---- prose ------------------------------------------------------------------------------------------


def test_model_answers_of_the_rubric_are_those_of_the_reference() -> None:
    rubric = tomllib.loads((ROOT / "assignments/hw4_convnets/rubric.toml").read_text("utf-8"))
    written: dict[str, dict[str, str]] = {}
    for cell in jupytext.reads(REFERENCE.read_text("utf-8"), fmt="py:percent").cells:
        if "answer" in cell.metadata:
            text = cell.source.strip()
            written.setdefault(cell.metadata["answer"], {})[cell.metadata["lang"]] = text
    marked = {
        part: {language: text.strip() for language, text in entry["model_answer"].items()}
        for part, entry in rubric.items()
    }
    assert marked == written
