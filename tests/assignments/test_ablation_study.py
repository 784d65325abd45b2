"""Code for ablation_study: wrong answers that its checks catch, unusual right ones that they accept."""

from __future__ import annotations

import pytest

from tests.assignments.ablation_answers import (
    ABLATED,
    CONV_AND_LINEAR,
    EFFECTS,
    EVALUATE,
    OWN,
    SETUP,
    WEIGHTS,
    ZERO,
    ablating,
    counting,
    network,
    train,
)
from tests.assignments.outcomes import Case, assert_found, outcome
from tests.desk import Desk

SLUG = "ablation_study"

# ---- wrong answers -------------------------------------------------------------------------------------

WRONG = {
    "no padding, and the loop of the lecture notes": Case(
        [
            network("self.conv = nn.Conv2d(3, 64, 3); self.fc = nn.Linear(64 * 30 * 30, 10)"),
            "conv_parameters = 1728\nlinear_parameters = 576010\ntotal_parameters = 1000000",
            counting("p.numel() for p in m.parameters()", "model.named_modules()"),
            EVALUATE,
            ablating(
                """
                part = model.get_submodule(component)
                saved = part.weight.data.clone()
                part.weight.data.zero_()
                yield model
                part.weight.data = saved
                """
            ),
            EFFECTS.replace("accuracy - a, l - loss", "a - accuracy, loss - l"),
            "weight_at_evaluation = [0, 0, 0]",
            train(before=ZERO),
            "def summarise(drops):\n    return drops.mean(0), drops.var(0, ddof=1)",
            "panel_interaction = -0.4875\npanel_relation = 'مستقل'",
        ],
        {
            "test_structure_of_the_network": "convolution-shrinks-the-image",
            "test_forward_of_the_network": "failed",
            "test_parameters_of_the_convolution": "biases-forgotten",
            "test_parameters_of_the_linear_layer": "padding-forgotten",
            "test_parameters_of_the_whole_network": "failed",
            "test_parameters_of_other_networks": "containers-counted-too",
            "test_output_without_a_branch": "biases-left",
            "test_output_of_other_networks[head]": "biases-left",
            "test_state_after_the_block": "passed",
            "test_state_after_an_exception": "lost-after-an-exception",
            "test_effects_in_the_panel": "effects-with-flipped-signs",
            "test_weights_at_evaluation": "thought-to-be-zero",
            "test_component_is_zero_at_evaluation": "zeroed-before-the-step",
            "test_component_is_zero_with_other_optimisers[block2.2-decay]": "zeroed-before-the-step",
            "test_component_is_zero_with_other_optimisers[block2-adam]": "zeroed-before-the-step",
            "test_component_is_zero_after_earlier_steps": "zeroed-before-the-step",
            "test_rest_learns_without_the_component": "passed",
            "test_mean_and_spread_of_runs": "variance-for-spread",
            "test_interaction_of_the_two_branches": "interaction-with-flipped-sign",
            "test_how_the_two_branches_relate": "thought-independent",
        },
    ),
    "softmax, aliased state, zeroed at the end": Case(
        [
            network(CONV_AND_LINEAR, "F.softmax(self.fc(F.relu(self.conv(x)).flatten(1)), 1)"),
            "conv_parameters = '۶۴۰'\nlinear_parameters = 163850",
            counting("p.numel() for p in m.parameters() if p.requires_grad", OWN),
            EVALUATE.replace("item(), (", "item() * len(labels), ("),
            ablating(
                """
                saved = model.state_dict()
                for p in model.get_submodule(component).parameters():
                    p.data.zero_()
                try:
                    yield model
                finally:
                    model.load_state_dict(saved)
                """
            ),
            EFFECTS,
            "weight_at_evaluation = torch.tensor([-0.15, -0.15, -0.25])",
            train(end=ZERO, mean="sum(losses)"),
            "def summarise(drops):\n    return drops.mean(1), drops.std(1)",
            """
def interaction(model, first, second, inputs, labels):
    def accuracy(*gone):
        fresh = copy.deepcopy(model)
        for name in gone[-1:]:
            for p in fresh.get_submodule(name).parameters():
                p.data.zero_()
        return evaluate(fresh, inputs, labels)[1]
    whole = accuracy()
    both = whole - accuracy(first, second)
    return both - (whole - accuracy(first)) - (whole - accuracy(second))
panel_relation = "complementary"
""",
        ],
        {
            "test_structure_of_the_network": "passed",
            "test_forward_of_the_network": "softmax-inside-the-network",
            "test_parameters_of_the_convolution": "input-channels-forgotten",
            "test_parameters_of_the_linear_layer": "pooling-that-is-not-there",
            "test_parameters_of_the_whole_network": "missing",
            "test_parameters_of_other_networks": "only-trainable-counted",
            "test_evaluation_of_the_panel": "loss-not-averaged",
            "test_evaluation_of_other_networks": "loss-not-averaged",
            "test_output_without_a_branch": "passed",
            "test_state_after_the_block": "not-restored",
            "test_state_after_an_exception": "lost-after-an-exception",
            "test_effects_in_other_networks": "failed",
            "test_weights_at_evaluation": "steps-add-up",
            "test_component_is_zero_at_evaluation": "passed",
            "test_rest_learns_without_the_component": "trained-with-it",
            "test_history_of_the_training": "losses-added-up",
            "test_mean_and_spread_of_runs": "wrong-axis",
            "test_interaction_in_other_networks": "second-block-undoes-the-first",
            "test_how_the_two_branches_relate": "thought-complementary",
        },
    ),
    "no activation, names compared by their beginning, frozen but not zero": Case(
        [
            network(CONV_AND_LINEAR, "self.fc(self.conv(x).flatten(1))"),
            counting(
                "t.numel() for t in [*m.parameters(recurse=False), *m.buffers(recurse=False)]", OWN
            ),
            EVALUATE.replace("model.eval()", "model.train()"),
            ablating(
                """
                chosen = [p for n, p in model.named_parameters() if n.startswith(component)]
                saved = [p.data.clone() for p in chosen]
                for p in chosen:
                    p.data.zero_()
                try:
                    yield model
                except Exception:
                    pass
                finally:
                    for p, value in zip(chosen, saved):
                        p.data.copy_(value)
                """
            ),
            """
panel_effects = {
    "left": (0.195, 0.0625), "right": (0.17459737, 0.0525), "extra": (0.01104598, 0.005)
}
""",
            "weight_at_evaluation = np.array([0.4, -0.6, -0.2])",
            train(start="[p.requires_grad_(False) for p in part.parameters()]", result="None"),
            """
def summarise(drops):
    return drops.mean(0), drops.std(0, ddof=1) / len(drops) ** 0.5
""",
            "panel_interaction = '0.6025'\npanel_relation = 'شاید redundant'",
        ],
        {
            "test_structure_of_the_network": "passed",
            "test_forward_of_the_network": "no-relu",
            "test_parameters_of_the_convolution": "missing",
            "test_parameters_of_other_networks": "buffers-counted",
            "test_evaluation_of_the_panel": "passed",
            "test_evaluation_of_other_networks": "measured-in-training-mode",
            "test_output_without_a_branch": "passed",
            "test_output_of_other_networks[block]": "namesake-ablated",
            "test_state_after_the_block": "passed",
            "test_state_after_an_exception": "exception-swallowed",
            "test_weights_at_evaluation": "learning-rate-forgotten",
            "test_component_is_zero_at_evaluation": "component-as-it-was",
            "test_history_of_the_training": "no-history",
            "test_mean_and_spread_of_runs": "standard-error-for-spread",
            "test_interaction_of_the_two_branches": "drop-of-both",
            "test_how_the_two_branches_relate": "missing",
        },
    ),
    "parameters replaced, gradients masked": Case(
        [
            EVALUATE + "right_order = evaluate\n"
            "def evaluate(*given):\n    return right_order(*given)[::-1]",
            ablating(
                """
                part = model.get_submodule(component)
                saved = copy.deepcopy(part)
                for p in part.parameters():
                    p.data.zero_()
                try:
                    yield model
                finally:
                    parent, _, name = component.rpartition(".")
                    setattr(model.get_submodule(parent), name, saved)
                """
            ),
            EFFECTS.replace(
                "effects[component] = (accuracy - a, l - loss)", "effects[component] = (a, l)"
            ),
            train(start=ZERO, gradient="[p.grad.zero_() for p in part.parameters()]"),
        ],
        {
            "test_evaluation_of_the_panel": "loss-and-accuracy-swapped",
            "test_state_after_the_block": "passed",
            "test_nested_blocks_of_other_networks[norm]": "parameters-replaced",
            "test_component_is_zero_at_evaluation": "passed",
            "test_component_is_zero_after_earlier_steps": "moved-by-momentum",
        },
    ),
    "hooks left behind, only weights held at zero": Case(
        [
            EVALUATE,
            ablating(
                """
                part = model.get_submodule(component)
                part.register_forward_hook(lambda m, i, o: torch.zeros_like(o))
                yield model
                """
            ),
            train(
                start=WEIGHTS, after=WEIGHTS, mean="losses[0]", result="[1.0, 0.9, 0.8, 0.7, 0.1]"
            ),
        ],
        {
            "test_output_without_a_branch": "passed",
            "test_state_after_the_block": "still-ablated-by-a-hook",
            "test_component_is_zero_at_evaluation": "only-weights-zeroed",
            "test_history_of_the_training": "not-the-mean-loss",
        },
    ),
    "added and subtracted, components pile up": Case(
        [
            EVALUATE,
            ablating(
                """
                part = model.get_submodule(component)
                shifts = [p.data + 1e-3 for p in part.parameters()]
                for p, shift in zip(part.parameters(), shifts):
                    p.data.sub_(shift).add_(1e-3)
                try:
                    yield model
                finally:
                    for p, shift in zip(part.parameters(), shifts):
                        p.data.add_(shift).sub_(1e-3)
                """
            ),
            """
def ablation_effects(model, components, inputs, labels):
    loss, accuracy = evaluate(model, inputs, labels)
    effects = {}
    for component in components:
        for p in model.get_submodule(component).parameters():
            p.data.zero_()
        l, a = evaluate(model, inputs, labels)
        effects[component] = (accuracy - a, l - loss)
    return effects
""",
            train(start="with ablated(model, component): pass"),
        ],
        {
            "test_state_after_the_block": "almost-restored",
            "test_effects_in_the_panel": "components-pile-up",
            "test_effects_in_other_networks": "components-pile-up",
            "test_component_is_zero_at_evaluation": "never-zeroed",
        },
    ),
    "gradients that are never cleared": Case(
        [train(start=ZERO, after=ZERO).replace("optimizer.zero_grad()", "pass")],
        {"test_history_of_the_training": "gradients-add-up"},
    ),
    "zero behind the first step only": Case(
        [train(after=ZERO)],
        {"test_history_of_the_training": "zeroed-after-the-first-step"},
    ),
    "a generator without its decorator": Case(
        [ABLATED.replace("@contextmanager\n", ""), train(start=ZERO)],
        {
            "test_output_without_a_branch": "decorator-forgotten",
            "test_state_after_the_block": "nothing-ablated",
            "test_component_is_zero_at_evaluation": "zeroed-once",
        },
    ),
    "bypassed instead of zero, ReLU on the scores": Case(
        [
            network(CONV_AND_LINEAR, "F.relu(self.fc(F.relu(self.conv(x)).flatten(1)))"),
            counting("p.numel() for p in m.parameters()", "model.named_children()"),
            EVALUATE,
            ablating(
                """
                part = model.get_submodule(component)
                hook = part.register_forward_hook(lambda module, inputs, output: inputs[0])
                try:
                    yield model
                finally:
                    hook.remove()
                """
            ),
            train(start=ZERO, after=ZERO, result="[l for l in history for _ in batches]"),
        ],
        {
            "test_forward_of_the_network": "relu-on-the-scores",
            "test_parameters_of_other_networks": "blocks-not-opened",
            "test_output_of_other_networks[block]": "component-bypassed",
            "test_history_of_the_training": "a-loss-for-each-batch",
        },
    ),
    "left in training mode, relative drops": Case(
        [
            EVALUATE,
            ABLATED + "        model.train()\n",
            EFFECTS.replace("(accuracy - a, l - loss)", "(1 - a / accuracy, l / loss - 1)"),
            train(
                start="saved = [p.clone() for p in part.parameters()]; " + ZERO,
                after=ZERO,
                end="[p.data.copy_(value) for p, value in zip(part.parameters(), saved)]",
            ),
        ],
        {
            "test_state_after_the_block": "passed",
            "test_nested_blocks_of_other_networks[norm]": "mode-not-restored",
            "test_effects_in_the_panel": "relative-drop",
            "test_component_is_zero_at_evaluation": "component-as-it-was",
            "test_rest_learns_without_the_component": "passed",
        },
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_caught(desk: Desk, name: str) -> None:
    case = WRONG[name]
    assert_found(desk.cells(SETUP, *case.cells), case.found)


# ---- unusual right answers -----------------------------------------------------------------------------

RIGHT = {
    "a factory, hooks in a class, a frozen component": Case(
        [
            """
def simple_net():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 64, 3, padding="same"), nn.ReLU()),
        nn.Flatten(), nn.Linear(64 * 32 * 32, 10), nn.LogSoftmax(dim=1))
""",
            "conv_params = '۱٬۷۹۲'\nlinear_parameters = '655,370 پارامتر'\ntotal_parameters = 657162.0",
            """
def count_parameters(model):
    return {name: p.numel() for name, p in model.named_parameters()}
""",
            """
def evaluate(model, inputs, labels):
    mode = model.training
    model.eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(inputs), 7):
            scores = model(inputs[start:start + 7])
            total += F.nll_loss(scores.log_softmax(1), labels[start:start + 7], reduction="sum")
            right += (scores.argmax(1) == labels[start:start + 7]).sum()
    model.train(mode)
    return {"n": len(labels), "accuracy": 100 * right / len(labels), "loss": total / len(labels)}

class ablated:
    def __init__(self, model, component):
        self.part = dict(model.named_modules())[component]
    def __enter__(self):
        self.hook = self.part.register_forward_hook(lambda module, inputs, output: 0 * output)
    def __exit__(self, *error):
        self.hook.remove()

def ablation_effects(model, components, inputs, labels):
    whole = evaluate(model, inputs, labels)
    drops, rises = {}, {}
    for component in components:
        with ablated(model, component):
            without = evaluate(model, inputs, labels)
        drops[component] = whole["accuracy"] - without["accuracy"]
        rises[component] = without["loss"] - whole["loss"]
    return {"acc": drops, "loss": rises}
""",
            "weight_at_evaluation = '0.2, -0.3, -0.1'",
            train(
                start=f"{ZERO}; part.requires_grad_(False)",
                mean="torch.tensor(losses).mean()",
                end="part.requires_grad_(True)",
                result="(model, history)",
            ),
            """
def summarize(drops):
    return [(np.mean(column), np.std(column)) for column in drops.T]
panel_interaction = "۰٫۴۸۷۵"
panel_relation = "جانشین یکدیگر، چون حذف هر دو بدتر از جمع است"
""",
        ],
        {
            "test_effects_in_the_panel": {"percent"},
            "test_effects_in_other_networks": {"percent"},
            "test_evaluation_of_the_panel": {"percent"},
            "test_evaluation_of_other_networks": {"percent"},
            "test_forward_of_the_network": {"log-softmax-is-harmless"},
            "test_parameters_of_other_networks": {"counted-by-tensor"},
            "test_mean_and_spread_of_runs": {"population-spread"},
            "test_structure_of_the_network": set(),
            "test_parameters_of_the_convolution": set(),
            "test_parameters_of_the_linear_layer": set(),
            "test_parameters_of_the_whole_network": set(),
            "test_output_without_a_branch": set(),
            "test_output_of_other_networks[norm]": set(),
            "test_output_of_other_networks[block.2]": set(),
            "test_state_after_the_block": set(),
            "test_state_after_an_exception": set(),
            "test_nested_blocks_of_other_networks[block2 stem]": set(),
            "test_nested_blocks_of_other_networks[block block.0]": set(),
            "test_weights_at_evaluation": set(),
            "test_component_is_zero_at_evaluation": set(),
            "test_component_is_zero_with_other_optimisers[block-momentum]": set(),
            "test_component_is_zero_after_earlier_steps": set(),
            "test_rest_learns_without_the_component": set(),
            "test_history_of_the_training": set(),
            "test_interaction_of_the_two_branches": set(),
            "test_how_the_two_branches_relate": set(),
        },
    ),
    "a copy for every ablation, a hook that stays, shuffled batches": Case(
        [
            EVALUATE,
            """
def ablated(model, component):
    other = copy.deepcopy(model)
    part = other.get_submodule(component)
    part.load_state_dict({k: torch.zeros_like(v) for k, v in part.state_dict().items()})
    return other

def ablation_effects(model, components, inputs, labels):
    loss, accuracy = evaluate(model, inputs, labels)
    rows = []
    for component in components:
        l, a = evaluate(ablated(model, component), inputs, labels)
        rows.append((component, accuracy - a, l - loss))
    return rows

def interaction(model, first, second, inputs, labels):
    def drop(*gone):
        other = model
        for component in gone:
            other = ablated(other, component)
        return evaluate(model, inputs, labels)[1] - evaluate(other, inputs, labels)[1]
    return torch.tensor(drop(first, second) - drop(first) - drop(second))

def train_ablated(model, component, batches, optimizer, epochs):
    part = model.get_submodule(component)
    part.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    losses = torch.zeros(epochs)
    for epoch in range(epochs):
        order = torch.randperm(len(batches))
        for place in order:
            inputs, labels = batches[place]
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(inputs), labels)
            loss.backward()
            optimizer.step()
            losses[epoch] += loss.item() / len(batches)
    return {"loss": losses}
""",
        ],
        {
            "test_output_without_a_branch": {"works-on-a-copy"},
            "test_output_of_other_networks[block]": {"works-on-a-copy"},
            "test_state_after_the_block": set(),
            "test_state_after_an_exception": set(),
            "test_nested_blocks_of_other_networks[norm]": {"works-on-a-copy"},
            "test_effects_in_other_networks": set(),
            "test_interaction_in_other_networks": set(),
            "test_interaction_of_the_two_branches": set(),
            "test_component_is_zero_at_evaluation": set(),
            "test_component_is_zero_after_earlier_steps": set(),
            "test_rest_learns_without_the_component": set(),
            "test_history_of_the_training": set(),
        },
    ),
    "no context manager, but effects that restore": Case(
        [
            EVALUATE,
            """
def measure_effects(model, components, inputs, labels):
    before = evaluate(model, inputs, labels)
    effects = {}
    for component in components:
        saved = copy.deepcopy(model.state_dict())
        try:
            for p in model.get_submodule(component).parameters():
                nn.init.zeros_(p)
            after = evaluate(model, inputs, labels)
        finally:
            model.load_state_dict(saved)
        effects[component] = {"loss": after[0] - before[0], "accuracy": before[1] - after[1]}
    return effects
""",
        ],
        {
            "test_output_without_a_branch": {"judged-by-its-effects"},
            "test_output_of_other_networks[norm]": {"judged-by-its-effects"},
            "test_state_after_the_block": {"judged-by-its-effects"},
            "test_state_after_an_exception": {"judged-by-its-effects"},
            "test_nested_blocks_of_other_networks[block2 stem]": {"judged-by-its-effects"},
            "test_effects_in_the_panel": set(),
            "test_effects_in_other_networks": set(),
        },
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_unusual_right_answers_are_accepted(desk: Desk, name: str) -> None:
    case = RIGHT[name]
    graded = desk.cells(SETUP, *case.cells)
    assert_found(graded, dict.fromkeys(case.found, "passed"))
    notes = {
        text["en"]: name
        for name, note in desk.assignment.texts.notes.items()
        for text in [note.text]
    }
    said = {
        name: {notes[note["en"]] for note in graded[name].evidence.get("notes", [])}
        for name in case.found
    }
    assert said == case.found


def test_effects_follow_from_an_incomplete_ablation(desk: Desk) -> None:
    weights_only = ABLATED.replace("part.parameters()", "[part.weight]")
    graded = desk.cells(SETUP, EVALUATE, weights_only, EFFECTS)
    assert outcome(graded["test_output_without_a_branch"]) == "biases-left"
    assert graded["test_effects_in_the_panel"].evidence["follow_through"]
    assert outcome(graded["test_effects_in_the_panel"]) == "passed"


def test_nothing_follows_from_an_ablation_that_does_nothing(desk: Desk) -> None:
    graded = desk.cells(SETUP, EVALUATE, ABLATED.replace("p.data.zero_()", "p.data * 0"), EFFECTS)
    assert_found(
        graded,
        {
            "test_output_without_a_branch": "nothing-ablated",
            "test_state_after_the_block": "nothing-ablated",
            "test_effects_in_the_panel": "failed",
            "test_effects_in_other_networks": "failed",
        },
    )
