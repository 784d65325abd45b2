"""Known slips in hw4_convnets, each as code that a student might have written.

A slip is a piece of code put after the reference solution, the check that should recognise it, and
the misconception or note that it should be recognised as. Slips of one `subject` touch the same
names and are tried in different notebooks; slips of different subjects share one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from textwrap import dedent, indent
from typing import NamedTuple


class Slip(NamedTuple):
    """One slip; ``verdict`` is what the check should come to."""

    check: str
    text: str
    code: str


Subject = list[Slip]


def slips(check: str, **codes: str) -> Subject:
    """Slips of one check, by the id of their text (written with ``_``)."""
    return [Slip(check, text.replace("_", "-"), dedent(code)) for text, code in codes.items()]


# ---- theory --------------------------------------------------------------------------------------

XAVIER = slips(
    "test_xavier_variance",
    standard_deviation="xavier_variance = lambda i, o: (2 / (i + o)) ** 0.5",
    bound_of_the_uniform="xavier_variance = lambda i, o: (6 / (i + o)) ** 0.5",
    xavier_of_one_side="xavier_variance = lambda i, o: 1 / i",
    he_for_xavier="xavier_variance = lambda i, o: 2 / i",
    fan_sum_not_averaged="xavier_variance = lambda i, o: 1 / (i + o)",
)
HE = slips(
    "test_he_variance",
    he_without_its_two="he_variance = lambda i: 1 / i",
    he_of_the_outputs="he_variance = lambda i, o: 2 / o",
    xavier_for_he="he_variance = lambda i, o: 2 / (i + o)",
)
STEP = slips(
    "test_one_step_of_gradient_descent",
    step_uphill="right = filters_after_step\nfilters_after_step = lambda f, *a: 2 * f - right(f, *a)",
    sum_of_squares="""
        right = filters_after_step
        filters_after_step = lambda f, r, x, t, lr: right(f, r, x, t, lr * len(t))
    """,
    halved_square="""
        right = filters_after_step
        filters_after_step = lambda f, r, x, t, lr: right(f, r, x, t, lr / 2)
    """,
    no_step_taken="filters_after_step = lambda f, *a: f",
    gradient_for_filters="""
        right = filters_after_step
        filters_after_step = lambda f, r, x, t, lr: (f - right(f, r, x, t, lr)) / lr
    """,
)
DISTINCT = slips(
    "test_how_many_filters_differ_after_the_step",
    symmetry_breaks_itself="distinct_from_constant = 4",
)
FILTER_GRADIENT = [
    *slips(
        "test_gradient_with_respect_to_the_filter",
        filter_gradient_flipped="dW = dW[::-1, ::-1]",
        gradient_transposed="dW = dW.T",
        sign_flipped="dW = -dW",
    ),
    *slips(
        "test_gradient_with_respect_to_the_filter_for_other_sizes",
        upstream_flipped="""
            right_dw = conv2d_weight_gradient
            conv2d_weight_gradient = lambda X, dY: right_dw(X, dY[::-1, ::-1])
        """,
        worked_out_by_hand="del conv2d_weight_gradient",
    ),
]
INPUT_GRADIENT = [
    *slips(
        "test_gradient_with_respect_to_the_input",
        filter_not_rotated="dX = conv2d_input_gradient(W[::-1, ::-1], dY)",
        valid_not_full="dX = conv2d_weight_gradient(W, dY)",
    ),
    *slips(
        "test_gradient_with_respect_to_the_input_for_other_sizes",
        filter_transposed="""
            right_dx = conv2d_input_gradient
            conv2d_input_gradient = lambda W, dY: right_dx(W.T, dY)
        """,
    ),
]
SENTIMENT = [
    slips(
        "test_how_often_softmax_is_called",
        softmax_after_every_word="softmax_calls = n_words",
        softmax_once_per_class="softmax_calls = '۵ بار'",
        softmax_not_at_test_time="softmax_calls = 0",
    ),
    slips(
        "test_over_how_many_values_softmax_runs",
        classes_from_zero="softmax_size = '۴'",
        softmax_over_words="softmax_size = n_words",
        softmax_over_vocabulary="softmax_size = '۲۰٬۰۰۰'",
        softmax_over_hidden_state="softmax_size = hidden_size",
        softmax_over_embedding="softmax_size = embedding_size",
    ),
    slips(
        "test_inputs_of_a_step",
        step_without_memory="step_inputs = 'a'",
        step_takes_probabilities="step_inputs = 'گزینهٔ c'",
        step_takes_whole_sentence="step_inputs = '(d)'",
    ),
    slips(
        "test_state_that_the_output_is_made_from",
        output_of_first_state="output_state = 'first'",
        output_at_every_step="output_state = 'همه'",
    ),
    slips(
        "test_shapes_of_all_tensors",
        shapes_partly_wrong="""
            right_shapes = rnn_shapes
            rnn_shapes = lambda *a: {**right_shapes(*a), "W_hy": a[:2]}
        """,
        shapes_mostly_wrong="rnn_shapes = lambda *a: {'x_t': (a[4], a[1])}",
    ),
]
RNN = """
def sentiment_probabilities(sentence, W_xh, W_hh, b_h, W_hy, b_y):
    h, states = np.zeros_like(b_h), []
    for x in sentence:
        h = np.tanh(x @ W_xh + {memory} + b_h)
        states.append(h)
    z = {state} @ W_hy + b_y
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p = p / p.sum(axis=-1, keepdims=True)
    return {result}
"""


def rnn(memory: str = "h @ W_hh", state: str = "h", result: str = "p") -> str:
    return RNN.format(memory=memory, state=state, result=result)


PROBABILITIES = slips(
    "test_probabilities_of_a_sentence",
    scores_without_softmax=rnn(result="z"),
    log_of_probabilities=rnn(result="np.log(p)"),
    states_averaged=rnn(state="np.mean(states, axis=0)"),
    memory_not_used=rnn(memory="0"),
    softmax_at_every_word=rnn(state="np.array(states)"),
    output_of_first_state=rnn(state="states[0]"),
)
ALPHAS = [
    *slips(
        "test_weights_of_other_channels",
        alphas_are_sums="grad_cam_alphas = lambda g: g.sum(axis=(1, 2))",
        alphas_are_maxima="grad_cam_alphas = lambda g: g.max(axis=(1, 2))",
        alphas_over_channels="grad_cam_alphas = lambda g: g.mean(axis=0)",
        alphas_rectified="grad_cam_alphas = lambda g: np.maximum(g, 0).mean(axis=(1, 2))",
    ),
    *slips("test_weights_of_the_channels", alphas_of_activations="alphas = A.mean(axis=(1, 2))"),
    *slips(
        "test_map_of_other_maps",
        map_without_relu="""
            grad_cam_map = lambda a, g: np.tensordot(grad_cam_alphas(g), a, 1)
        """,
        relu_before_the_sum="""
            grad_cam_map = lambda a, g: np.maximum(grad_cam_alphas(g)[:, None, None] * a, 0).sum(0)
        """,
        map_without_alphas="grad_cam_map = lambda a, g: np.maximum(a.sum(0), 0)",
        map_is_absolute="grad_cam_map = lambda a, g: abs(np.tensordot(grad_cam_alphas(g), a, 1))",
        map_normalised="""
            right_map = grad_cam_map
            grad_cam_map = lambda a, g: right_map(a, g) / right_map(a, g).max()
        """,
        map_averaged="""
            right_map = grad_cam_map
            grad_cam_map = lambda a, g: right_map(a, g) / len(a)
        """,
    ),
    *slips(
        "test_map_of_a_small_network",
        map_of_probabilities="""
            right_cam = grad_cam
            def grad_cam(model, layer, image, label):
                return right_cam(nn.Sequential(model, nn.Softmax(dim=1)), layer, image, label)
        """,
    ),
]

# ---- the residual block --------------------------------------------------------------------------

STAGES = [
    slips(
        "test_convolution_of_other_images",
        kernel_rotated="""
            right_conv = conv2d
            conv2d = lambda x, k, stride=1, padding=1: right_conv(x, k[::-1, ::-1])
        """,
        kernel_transposed="""
            right_conv = conv2d
            conv2d = lambda x, k, stride=1, padding=1: right_conv(x, k.T)
        """,
        no_padding="""
            right_conv = conv2d
            conv2d = lambda x, k: right_conv(x, k, 1, 0)
        """,
        edge_padding="""
            right_conv = conv2d
            conv2d = lambda x, k: right_conv(np.pad(x, 1, mode="edge"), k, 1, 0)
        """,
        other_library="""
            from scipy.signal import correlate2d
            def conv2d(x, k):
                return correlate2d(x, k, mode="same")
        """,
    ),
    [
        *slips(
            "test_relu_of_other_results",
            relu_does_nothing="relu = lambda x: x",
            relu_is_absolute="relu = abs",
            relu_reversed="relu = lambda x: x * (x < 0)",
            relu_is_leaky="relu = lambda x: np.where(x > 0, x, 0.01 * x)",
        ),
        *slips(
            "test_shortcut_of_other_blocks",
            shortcut_not_added="add_shortcut = lambda x, s: relu(x)",
            no_relu_after_the_sum="add_shortcut = lambda x, s: x + s",
            relu_before_the_shortcut="add_shortcut = lambda x, s: relu(x) + s",
        ),
    ],
    slips(
        "test_max_pooling_of_other_maps",
        mean_for_maximum="""
            def max_pool(x):
                h, w = x.shape[0] // 2, x.shape[1] // 2
                return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean(axis=(1, 3))
        """,
        minimum_for_maximum="""
            def max_pool(x):
                h, w = x.shape[0] // 2, x.shape[1] // 2
                return x[: 2 * h, : 2 * w].reshape(h, 2, w, 2).min(axis=(1, 3))
        """,
        windows_overlap="""
            right_pool = max_pool
            max_pool = lambda x: right_pool(x, 2, 1)
        """,
        leftover_kept="""
            def max_pool(x):
                rows, columns = range(0, x.shape[0], 2), range(0, x.shape[1], 2)
                return [[x[i : i + 2, j : j + 2].max() for j in columns] for i in rows]
        """,
    ),
    slips(
        "test_global_average_of_other_maps",
        sum_for_average="global_average = lambda x: x.sum()",
        maximum_for_average="global_average = lambda x: x.max()",
        average_of_rows="global_average = lambda x: x.mean(axis=1)",
        average_of_columns="global_average = lambda x: x.mean(axis=0)",
    ),
]

# ---- MobileNet: costs ----------------------------------------------------------------------------

COSTS = [
    slips(
        "test_cost_of_standard_and_separable_convolutions",
        cost_without_the_map="standard_cost = lambda D, M, N, F: D * D * M * N",
        cost_of_one_side="standard_cost = lambda D, M, N, F: D * M * N * F * F",
        pointwise_forgotten="separable_cost = lambda D, M, N, F, a=1, r=1: D * D * M * F * F",
        depthwise_forgotten="separable_cost = lambda D, M, N, F, a=1, r=1: M * N * F * F",
        depthwise_over_outputs="""
            separable_cost = lambda D, M, N, F, a=1, r=1: (D * D * N + M * N) * F * F
        """,
    )
    + slips(
        "test_cost_under_both_multipliers",
        multipliers_ignored="""
            right_cost = separable_cost
            separable_cost = lambda D, M, N, F, a=1, r=1: right_cost(D, M, N, F)
        """,
        alpha_only_once="""
            right_cost = separable_cost
            separable_cost = lambda D, M, N, F, a=1, r=1: a * right_cost(D, M, N, F, 1, r)
        """,
        alpha_squared_throughout="""
            right_cost = separable_cost
            separable_cost = lambda D, M, N, F, a=1, r=1: a * a * right_cost(D, M, N, F, 1, r)
        """,
        rho_not_squared="""
            right_cost = separable_cost
            separable_cost = lambda D, M, N, F, a=1, r=1: r * right_cost(D, M, N, F, a)
        """,
    ),
    slips(
        "test_ratio_of_the_costs",
        ratio_upside_down="cost_ratio = lambda D, N: 1 / (1 / N + 1 / D**2)",
        ratio_of_the_kernel_side="cost_ratio = lambda D, N: 1 / N + 1 / D",
        ratio_as_product="cost_ratio = lambda D, N: 1 / N / D**2",
    ),
    slips(
        "test_resolution_multiplier",
        resolution_of_one_side="""
            scale_resolution = lambda x, r: F.interpolate(x, size=(round(r * x.shape[2]), x.shape[3]))
        """,
        resolution_unchanged="scale_resolution = lambda x, r: x",
        resized_image_has_other_colours="""
            scale_resolution = lambda x, r: 2 * F.interpolate(x, scale_factor=r)
        """,
    ),
]

# ---- MobileNet: blocks and networks ----------------------------------------------------------------


def separable(*layers: str, after: str = "") -> str:
    """The block of V1 as a list of layers; i and o are its channels, s its stride."""
    body = indent(",\n".join(layers), " " * 12)
    return (
        "class DepthwiseSeparableConv(nn.Sequential):\n"
        "    def __init__(self, i, o, stride=1):\n"
        f"        s = stride\n        super().__init__(\n{body}\n        )\n{after}"
    )


DEPTHWISE = "nn.Conv2d(i, i, 3, s, 1, groups=i, bias=False), nn.BatchNorm2d(i)"
POINTWISE = "nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o)"
RELU = "nn.ReLU()"
STRUCTURE_V1, FORWARD_V1 = (
    "test_structure_of_the_separable_block",
    "test_forward_of_the_separable_block",
)
SEPARABLE = [
    *slips(
        STRUCTURE_V1,
        not_two_convolutions=separable("nn.Conv2d(i, o, 3, s, 1)", RELU),
        groups_are_not_channels=separable(
            DEPTHWISE.replace("groups=i, ", ""), RELU, POINTWISE, RELU
        ),
        depthwise_not_3x3=separable(DEPTHWISE.replace("3, s, 1", "5, s, 2"), RELU, POINTWISE, RELU),
        pointwise_in_groups=separable(
            DEPTHWISE, RELU, POINTWISE.replace("1,", "1, groups=2,"), RELU
        ),
        pointwise_not_1x1=separable(
            DEPTHWISE, RELU, POINTWISE.replace(" 1,", " 3, padding=1,"), RELU
        ),
        stride_on_the_pointwise=separable(
            DEPTHWISE.replace("3, s, 1", "3, 1, 1"), RELU, POINTWISE.replace(" 1,", " 1, s,"), RELU
        ),
        normalisation_missing=separable(DEPTHWISE.split(", nn.B", 1)[0], RELU, POINTWISE, RELU),
        block_changes_size_wrongly=separable(
            DEPTHWISE.replace("3, s, 1", "3, s, 0"), RELU, POINTWISE, RELU
        ),
    ),
    *slips(
        FORWARD_V1,
        no_activation_at_the_end=separable(DEPTHWISE, RELU, POINTWISE),
        no_activation_between=separable(DEPTHWISE, POINTWISE, RELU),
        no_activation_at_all=separable(DEPTHWISE, POINTWISE),
        relu6_in_v1=separable(DEPTHWISE, "nn.ReLU6()", POINTWISE, "nn.ReLU6()"),
    ),
]


def inverted(*layers: str, forward: str = "x + y if self.skip else y") -> str:
    """The block of V2 as a list of layers; h is the number of hidden channels."""
    body = indent(",\n".join(layer for layer in layers if layer), " " * 12)
    return (
        "class InvertedResidual(nn.Module):\n"
        "    def __init__(self, i, o, stride=1, expand_ratio=6):\n"
        "        super().__init__()\n"
        "        s, t, h = stride, expand_ratio, i * expand_ratio\n"
        "        self.skip = s == 1 and i == o\n"
        "        self.fit = nn.Conv2d(i, o, 1, s) if not self.skip else nn.Identity()\n"
        f"        self.body = nn.Sequential(\n{body}\n        )\n"
        "    def forward(self, x):\n"
        f"        y = self.body(x)\n        return {forward}\n"
    )


EXPAND = "*([nn.Conv2d(i, h, 1, bias=False), nn.BatchNorm2d(h), nn.ReLU6()] if t > 1 else [])"
MIDDLE = "nn.Conv2d(h, h, 3, s, 1, groups=h, bias=False), nn.BatchNorm2d(h), nn.ReLU6()"
NARROW = "nn.Conv2d(h, o, 1, bias=False), nn.BatchNorm2d(o)"
STRUCTURE_V2, FORWARD_V2 = (
    "test_structure_of_the_inverted_residual",
    "test_forward_of_the_inverted_residual",
)
INVERTED = [
    *slips(
        STRUCTURE_V2,
        not_three_convolutions=inverted(
            MIDDLE.replace("h", "i", 1).replace("(i, h", "(i, i"), NARROW
        )
        .replace("groups=h", "groups=i")
        .replace("nn.BatchNorm2d(h)", "nn.BatchNorm2d(i)")
        .replace("nn.Conv2d(h, o", "nn.Conv2d(i, o"),
        expansion_is_not_t_times=inverted(EXPAND, MIDDLE, NARROW).replace(" i * ex", " o * ex"),
        groups_are_not_channels=inverted(EXPAND, MIDDLE.replace("groups=h, ", ""), NARROW),
        stride_not_on_the_depthwise=inverted(
            EXPAND.replace("h, 1,", "h, 1, s,"), MIDDLE.replace("3, s, 1", "3, 1, 1"), NARROW
        ),
        pointwise_not_1x1=inverted(EXPAND, MIDDLE, NARROW.replace("o, 1,", "o, 3, padding=1,")),
        activation_after_the_bottleneck=inverted(EXPAND, MIDDLE, NARROW, "nn.ReLU6()"),
        block_changes_size_wrongly=inverted(EXPAND, MIDDLE.replace("s, 1,", "s, 0,"), NARROW),
    ),
    *slips(
        "test_where_the_shortcut_is",
        shortcut_missing=inverted(EXPAND, MIDDLE, NARROW, forward="y"),
        shortcut_everywhere=inverted(EXPAND, MIDDLE, NARROW, forward="self.fit(x) + y"),
    ),
    *slips(
        FORWARD_V2,
        activation_after_the_sum=inverted(
            EXPAND, MIDDLE, NARROW, forward="F.relu6(x + y if self.skip else y)"
        ),
        relu_for_relu6=inverted(EXPAND, MIDDLE, NARROW).replace("ReLU6", "ReLU"),
    ),
]

CHANGED = """
class {name}({name}):
    def __init__(self, num_classes=10, width_mult=1.0, stem_stride=2):
        super().__init__({arguments})
        {change}
    {forward}
"""


def changed(
    name: str,
    change: str = "pass",
    arguments: str = "num_classes, width_mult, stem_stride",
    forward: str = "",
) -> str:
    """A network of the reference with one thing changed after it was made."""
    return CHANGED.format(
        name=name,
        arguments=arguments,
        forward=forward,
        change=dedent(change).replace("\n", "\n" + " " * 8),
    )


CONVOLUTIONS = "for m in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:\n    "
NORMALISED = """
for part in [m for m in self.modules() if isinstance(m, nn.Sequential) and len(m) == 2]:
    if isinstance(part[1], nn.BatchNorm2d):
        part[1] = nn.Identity()
""".strip()
NETWORK_V1 = [
    *slips(
        "test_parameters_of_mobilenet_v1",
        convolutions_with_bias=changed(
            "MobileNetV1", CONVOLUTIONS + "m.bias = nn.Parameter(torch.zeros(m.out_channels))"
        ),
        classes_ignored=changed("MobileNetV1", arguments="10, width_mult, stem_stride"),
        classifier_forgotten=changed("MobileNetV1", "self.classifier = nn.Identity()"),
        bias_for_normalisation=changed(
            "MobileNetV1",
            CONVOLUTIONS + "m.bias = nn.Parameter(torch.zeros(m.out_channels))\n" + NORMALISED,
        ),
        classifier_without_bias=changed("MobileNetV1", "self.classifier.bias = None"),
    ),
    *slips(
        "test_layout_of_mobilenet_v1",
        layout_not_of_the_table="V1_BLOCKS = V1_BLOCKS[:6] + V1_BLOCKS[7:]",
        not_one_score_per_class=changed(
            "MobileNetV1", forward="def forward(self, x):\n        return super().forward(x)[0]"
        ),
    ),
]
NETWORK_V2 = [
    *slips(
        "test_forward_of_mobilenet_v2",
        softmax_inside_the_network=changed(
            "MobileNetV2",
            forward="def forward(self, x):\n        return super().forward(x).softmax(1)",
        ),
    ),
    *slips(
        "test_width_multiplier_scales_the_channels",
        width_ignored=changed("MobileNetV2", arguments="num_classes, 1.0, stem_stride"),
        width_of_some_layers_only="""
            right_divisible = make_divisible
            make_divisible = lambda c: 320 if c == 160 else right_divisible(c)
        """,
    ),
]
PLAIN = slips(
    "test_plain_network_has_standard_convolutions_only",
    plain_network_is_separable="PlainCNN = MobileNetV2",
    plain_network_without_convolutions="""
        class PlainCNN(nn.Module):
            def __init__(self, num_classes=10):
                super().__init__()
                self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3072, 64), nn.Linear(64, 10))
            def forward(self, x):
                return self.layers(x)
    """,
)

SUBJECTS: list[Subject] = [
    XAVIER,
    HE,
    STEP,
    DISTINCT,
    FILTER_GRADIENT,
    INPUT_GRADIENT,
    *SENTIMENT,
    PROBABILITIES,
    ALPHAS,
    *STAGES,
    *COSTS,
    PLAIN,
    # A network is asked where its own blocks are right: V2 after the slips in the blocks of V1.
    [*SEPARABLE, *NETWORK_V2],
    [*INVERTED, *NETWORK_V1],
]


def rounds() -> Iterator[list[Slip]]:
    """Yield slips that can stand in one notebook together, until all have been tried."""
    for together in zip_longest(*SUBJECTS):
        yield [slip for slip in together if slip is not None]
