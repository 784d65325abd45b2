"""Answers to hw10_transfer_learning: right ones in pieces, and slips of each topic.

A slip is the code of one topic and what its checks should come to. Topics share no names, so that
one notebook takes a slip of each.
"""

from __future__ import annotations

from textwrap import dedent
from typing import NamedTuple

SETUP = """
import os
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
"""


class Slip(NamedTuple):
    """The code of one topic, and what checks should come to: a misconception or a verdict."""

    source: str
    found: dict[str, str]


def slip(source: str, **found: str) -> Slip:
    """Make a slip; checks are named without ``test_``."""
    return Slip(dedent(source), {f"test_{check}": text for check, text in found.items()})


def both(first: str, second: str, text: str) -> dict[str, str]:
    """A public check and its hidden companion that come to the same."""
    return {first: text, second: text}


# ---- a. checkpoints ----------------------------------------------------------------------------------

CHECKPOINT = """
def save_checkpoint(path, model, optimizer, epoch):
    {save}

def load_checkpoint(path, model, optimizer):
    {load}
"""
STATE = "{'m': model.state_dict(), 'o': optimizer.state_dict(), 'e': epoch}"
RESTORE = "c = torch.load(path); model.load_state_dict(c['m']); optimizer.load_state_dict(c['o'])"


def checkpoint(text: str, save: str = f"torch.save({STATE}, path)", load: str = RESTORE) -> Slip:
    checks = "checkpoint_restores_model_and_optimiser", "checkpoint_of_other_optimisers"
    return slip(CHECKPOINT.format(save=save, load=load), **both(*checks, text))


CHECKPOINTS = [
    checkpoint(
        "optimiser-not-restored",
        load="c = torch.load(path); model.load_state_dict(c['m']); return c['e']",
    ),
    checkpoint(
        "statistics-not-restored",
        f"torch.save({STATE} | {{'m': dict(model.named_parameters())}}, path)",
        "c = torch.load(path); model.load_state_dict(c['m'], strict=False); return c['e']",
    ),
    checkpoint(
        "model-not-restored",
        load="c = torch.load(path); optimizer.load_state_dict(c['o']); return c['e']",
    ),
    checkpoint("nothing-on-disk", f"global kept; kept = {STATE}", "return kept['e']"),
    checkpoint("epoch-not-returned"),
    checkpoint("epoch-off-by-one", load=f"{RESTORE}; return c['e'] + 1"),
    checkpoint(
        "checkpoint-goes-on-with-the-model",
        f"global kept; kept = {STATE}; open(path, 'w').close()",
        "model.load_state_dict(kept['m']); return kept['e']",
    ),
]

TRAIN = """
def train(model, batches, optimizer, epochs, path=None, every=5):
    def state(): return {{'m': model.state_dict(), 'o': optimizer.state_dict(), 'e': epoch}}
    done, history = 0, []
    if path and os.path.exists(path):
        c = torch.load(path)
        {load}
    for epoch in range({epochs}):
        losses = []
        model.{mode}()
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            {zero}
            loss.backward()
            {step}
            losses.append(loss.item())
        history.append({mean})
        if path and {due}:
            torch.save(state(), path)
    return {result}
"""


def train(resumed: str, learned: str, **changes: str) -> Slip:
    right = {
        "load": "model.load_state_dict(c['m']); optimizer.load_state_dict(c['o']); done = c['e']",
        "epochs": "done + 1, epochs + 1",
        "mode": "train",
        "zero": "optimizer.zero_grad()",
        "step": "optimizer.step()",
        "mean": "sum(losses) / len(losses)",
        "due": "epoch % every == 0",
        "result": "history",
    }
    checks = {
        "interrupted_training_goes_on": resumed,
        "training_lowers_the_loss": learned,
    }
    return slip(TRAIN.format(**right | changes), **checks)


TRAINING = [
    train("starts-over", "passed", load="pass"),
    train("all-epochs-again", "passed", epochs="1, epochs + 1"),
    train("last-epoch-again", "passed", epochs="done or 1, epochs + 1"),
    train("one-epoch-skipped", "passed", epochs="done + 2 if done else 1, epochs + 1"),
    train("no-checkpoint-while-training", "passed", due="epoch == epochs"),
    train(
        "optimiser-not-restored",
        "a-loss-for-each-batch",
        load="model.load_state_dict(c['m']); done = c['e']",
        result="[0.1] * len(history) * len(batches)",
    ),
    train("passed", "no-history", result="None"),
    train("failed", "trained-in-evaluation-mode", mode="eval"),
    train("failed", "gradients-add-up", zero="pass"),
    train("failed", "nothing-was-trained", step="pass"),
    train("one-epoch-skipped", "not-as-many-epochs-as-asked", epochs="done + 1, epochs"),
    train(
        "failed",
        "loss-does-not-fall",
        step="[g.update(lr=1e-5) for g in optimizer.param_groups]; optimizer.step()",
    ),
    train("passed", "not-a-loss-for-each-epoch", result="history[-1:]"),
    train("passed", "losses-added-up", result="[6 * loss for loss in history]"),
]

# ---- b. feature extraction ---------------------------------------------------------------------------

EXTRACTOR = """
def feature_extractor(model, num_classes=196):
    {first}
    for name, p in model.named_parameters():
        {freeze}
    {last}
    return model
"""
HEAD = "model.fc = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, num_classes))"
BACKBONE = "backbone_is_frozen_and_the_head_is_not"


def extractor(
    backbone: str,
    scores: str,
    first: str = "pass",
    freeze: str = "p.requires_grad = False",
    last: str = HEAD,
) -> Slip:
    source = EXTRACTOR.format(first=first, freeze=freeze, last=last)
    return slip(source, **{BACKBONE: backbone, "scores_of_the_head": scores})


EXTRACTORS = [
    extractor("require-grad-misspelt", "passed", freeze="p.require_grad = False"),
    extractor("nothing-frozen", "passed", freeze="pass"),
    extractor("head-frozen-too", "head-frozen-too", first=HEAD, last="pass"),
    extractor(
        "head-of-one-layer",
        "head-of-one-layer",
        last="model.fc = nn.Linear(2048, num_classes)",
    ),
    extractor("passed", "head-without-activation", last=HEAD.replace("nn.ReLU(), ", "")),
    extractor(
        "passed",
        "softmax-in-the-head",
        last=HEAD.replace("num_classes))", "num_classes), nn.Softmax(1))"),
    ),
    extractor(
        "passed",
        "activation-at-the-end",
        last=HEAD.replace("num_classes))", "num_classes), nn.ReLU())"),
    ),
    extractor("normalisation-not-frozen", "passed", freeze="p.requires_grad = p.ndim == 1"),
    extractor(
        "head-beside-fc",
        "head-beside-fc",
        last=HEAD.replace("nn.Linear(2048", "model.fc, nn.Linear(1000"),
    ),
    extractor("head-of-other-sizes", "head-of-other-sizes", last=HEAD.replace("1024", "512")),
    extractor(
        "part-of-the-backbone-not-frozen",
        "passed",
        freeze="p.requires_grad = name.startswith('layer4')",
    ),
    extractor("no-new-head", "no-new-head", last="pass"),
]


def mode(body: str, public: str, hidden: str) -> Slip:
    checks = {
        "frozen_statistics_stay_in_training": public,
        "training_mode_of_other_networks": hidden,
    }
    return slip(f"def set_training_mode(model):\n    {body}\n", **checks)


MODES = [
    mode("model.train()", "batchnorm-still-updates", "batchnorm-still-updates"),
    mode(
        "[m.eval() for m in model.modules() if m is not model]",
        "dropout-left-in-evaluation-mode",
        "dropout-left-in-evaluation-mode",
    ),
    mode("model.eval()", "dropout-left-in-evaluation-mode", "dropout-left-in-evaluation-mode"),
    mode(
        "model.eval(); model.fc.train(); model.requires_grad_(True)",
        *["training-mode-changes-what-is-frozen"] * 2,
    ),
    mode(
        "model.eval(); model.fc.train(); [p.data.mul_(2) for p in model.conv1.parameters()]",
        *["frozen-weights-move"] * 2,
    ),
    mode("model.train(); model.bn1.eval()", "batchnorm-still-updates", "batchnorm-still-updates"),
]

# ---- c. SVM ------------------------------------------------------------------------------------------


def features(body: str, public: str, hidden: str | None = None) -> Slip:
    source = "def pooled_features(model, images):\n" + "".join(
        f"    {line}\n" for line in dedent(body).strip().splitlines()
    )
    checks = {
        "features_are_the_pooled_ones": public,
        "features_of_other_images": hidden or public,
    }
    return slip(source, **checks)


EARLY = """
model.eval()
h = model.maxpool(model.relu(model.bn1(model.conv1(images))))
h = model.layer4(model.layer3(model.layer2(model.layer1(h)))).detach()
"""

FEATURES = [
    features("return model.eval()(images)", "logits-for-features"),
    features(EARLY + "return h.flatten(1)", "maps-not-pooled"),
    features(EARLY + "return h.numpy()", "maps-as-they-are"),
    features(EARLY + "return h.amax((2, 3))", "largest-for-mean"),
    features(
        EARLY.replace("model.eval()", "pass") + "return h.mean((2, 3))",
        "passed",
        "features-in-training-mode",
    ),
]

SVM = """
from sklearn.svm import SVC

def svm_accuracies(model, train_batches, test_batches):
    def collect(batches):
        layers = nn.Sequential(*list(model.eval().children())[:-1])
        return {x}, np.concatenate([y for _, y in batches])
    x, y = collect(train_batches)
    tx, ty = collect(test_batches)
    classifier = SVC(kernel="linear")
    {fit}
    return {result}
"""
IMAGES = "torch.cat([layers(i).flatten(1) for i, _ in batches]).detach().numpy()"


def svm(
    knows: str,
    learns: str,
    x: str = IMAGES,
    fit: str = "classifier.fit(x, y)",
    result: str = "classifier.score(x, y), classifier.score(tx, ty)",
) -> Slip:
    checks = {"svm_knows_all_batches": knows, "svm_learns_from_images_alone": learns}
    return slip(SVM.format(x=x, fit=fit, result=result), **checks)


BEYOND = "test-accuracy-beyond-what-images-tell"
SVMS = [
    svm(
        "fitted-to-the-last-batch",
        "fitted-to-the-last-batch",
        fit="[classifier.fit(x[i:i + 10], y[i:i + 10]) for i in range(0, len(x), 10)]",
    ),
    svm(BEYOND, "labels-for-features", x="np.concatenate([y[:, None] for _, y in batches]) * 9.0"),
    svm(BEYOND, "training-accuracy-reported", result="(classifier.score(x, y),) * 2"),
    svm(
        "accuracies-swapped",
        "accuracies-swapped",
        result="classifier.score(tx, ty), classifier.score(x, y)",
    ),
    svm("not-two-accuracies", "not-two-accuracies", result="[classifier.score(tx, ty)]"),
    svm(
        "passed",
        BEYOND,
        result="classifier.score(x, y), SVC().fit(tx, ty).score(tx, ty)",
    ),
]

# ---- d. fine-tuning ----------------------------------------------------------------------------------

TUNING = """
def fine_tuning_model(model, num_classes=196):
    for name, p in model.named_parameters():
        p.requires_grad = {trained}
    {head}
    {after}
    return model
"""


def tuning(
    public: str,
    hidden: str,
    trained: str = "name.startswith('layer4')",
    head: str = HEAD,
    after: str = "pass",
) -> Slip:
    source = TUNING.format(trained=trained, head=head, after=after)
    checks = {
        "last_layers_are_trained_and_the_first_are_not": public,
        "fine_tuned_network_keeps_its_weights": hidden,
    }
    return slip(source, **checks)


TUNINGS = [
    tuning(*["only-the-head-trained"] * 2, "False"),
    tuning(*["everything-trained"] * 2, "True"),
    tuning(*["wrong-end-trained"] * 2, "name.startswith(('conv1', 'layer1'))"),
    tuning(*["gap-between-trained-layers"] * 2, "name.startswith(('layer2', 'layer4'))"),
    tuning(*["part-of-layer4-frozen"] * 2, "name == 'layer4.1.weight'"),
    tuning(
        "only-the-head-trained",
        "pretrained-weights-lost",
        after="[m.reset_parameters() for m in model.layer4[:2]]",
    ),
    tuning(*["head-frozen-too"] * 2, after="model.fc[0].requires_grad_(False)"),
    tuning("passed", "head-without-activation", head=HEAD.replace("nn.ReLU(), ", "")),
]

OPTIMISER = """
def fine_tuning_optimizer(model, learning_rate):
    head, rest = list(model.fc.parameters()), list(model.layer4.parameters())
    rest += [p for p in model.layer3.parameters() if p.requires_grad]
    return torch.optim.SGD({groups}, lr=learning_rate)
"""


def optimiser(text: str, groups: str, hidden: str | None = None) -> Slip:
    checks = {
        "optimiser_holds_all_that_is_trained": text,
        "optimiser_of_other_networks": hidden or text,
    }
    return slip(OPTIMISER.format(groups=groups), **checks)


OPTIMISERS = [
    optimiser("optimiser-of-the-head-only", "head"),
    optimiser("head-not-in-the-optimiser", "rest"),
    optimiser("trained-parameter-left-out", "head + rest[:2]"),
    optimiser("one-rate-for-all", "head + rest"),
    optimiser(
        "rates-the-wrong-way-round",
        "[{'params': head, 'lr': learning_rate / 10}, {'params': rest}]",
    ),
    optimiser(
        "passed",
        "[{'params': head, 'lr': 0.1}, {'params': rest, 'lr': 0.001}]",
        "learning-rate-ignored",
    ),
    optimiser("rate-of-zero", "[{'params': head}, {'params': rest, 'lr': 0}]"),
    optimiser(
        "passed",
        "[{'params': head}, {'params': list(model.layer4.parameters()), 'lr': learning_rate / 5}]",
        "trained-parameter-left-out",
    ),
]

# ---- counts ------------------------------------------------------------------------------------------

NAMES = ("resnet_tensors", "resnet_parameters", "transfer_tensors", "trainable_tensors")


def counts(head: int | str, tuned: int | str, /, *values: int | str, **found: str) -> Slip:
    names = [*NAMES, "head_parameters"]
    lines = [f"{name} = {value!r}" for name, value in zip(names, [*values, head], strict=True)]
    expected = {f"count[{name}]": text for name, text in found.items() if name != "tuned"}
    if "tuned" in found:
        expected["count_of_tuned_tensors"] = found["tuned"]
    return slip("\n".join([*lines, f"tuned_tensors = {tuned!r}"]), **expected)


COUNTS = [
    counts(
        2_297_856, 30, 107, 23_508_032, 165, 163,
        resnet_tensors="layers-for-tensors", resnet_parameters="fc-not-counted",
        transfer_tensors="head-beside-fc", trainable_tensors="nothing-frozen",
        head_parameters="biases-forgotten", tuned="head-forgotten",
    ),
    counts(
        200_900, 31, 320, "۲۵٬۶۱۰٬۱۵۲", 161, 2,
        resnet_tensors="statistics-counted-too", resnet_parameters="statistics-counted-too",
        transfer_tensors="head-not-put-in", trainable_tensors="layers-for-tensors",
        head_parameters="one-layer-of-the-head-forgotten", tuned="downsample-forgotten",
    ),
    counts(
        401_604, 13, 159, 25_807_108, 159, 1,
        resnet_tensors="fc-not-counted", resnet_parameters="counted-with-the-new-head",
        transfer_tensors="fc-not-counted", trainable_tensors="only-the-last-layer-of-the-head",
        head_parameters="head-of-one-layer", tuned="only-the-last-block",
    ),
    counts(
        3_123_176, 163, 50, 25_600_000, 322, "2.3M",
        resnet_tensors="layers-for-tensors", resnet_parameters="failed",
        transfer_tensors="statistics-counted-too", trainable_tensors="failed",
        head_parameters="head-of-a-thousand-classes", tuned="everything-trained",
    ),
    counts(
        4, 4, 160, "many", 109, 2_299_076,
        resnet_tensors="failed", resnet_parameters="missing",
        transfer_tensors="layers-for-tensors", trainable_tensors="parameters-for-tensors",
        head_parameters="tensors-for-parameters", tuned="only-the-head",
    ),
    counts(
        "۲٬۲۹۹٬۰۷۶", "34 tensors", "161", "25,557,032", "۱۶۳", "۴ تنسور",
        **dict.fromkeys((*NAMES, "head_parameters", "tuned"), "passed"),
    ),
    counts(2_299_076, 22, 161, 25_557_032, 163, 4, tuned="layers-for-tensors"),
]  # fmt: skip

# ---- e. zeros ----------------------------------------------------------------------------------------

ZEROS = """
found = []

def zero_percentages(model, image):
    {start}
    handles = []
    for layer in {layers}:
        handles.append(layer.register_forward_hook(
            lambda layer, given, output: kept.append({keep})
        ))
    {mode}
    with torch.no_grad():
        model(image)
    {end}
    return [{value} for o in kept]
"""
LEAVES = "[m for m in model.modules() if not list(m.children())]"
SHARE = "100 * (o == 0).double().mean().item()"


def zeros(
    text: str,
    row: str | None = None,
    training: str | None = None,
    crossed: str | None = None,
    **changes: str,
) -> Slip:
    """A slip that all three checks name alike, or but for those that are named."""
    right = {
        "start": "kept = []",
        "layers": LEAVES,
        "keep": "output.clone()",
        "mode": "model.eval()",
        "end": "[h.remove() for h in handles]",
        "value": SHARE,
    }
    checks = {
        "zeros_of_layers_in_a_row": row or text,
        "zeros_of_other_networks[plain-True]": training or text,
        "zeros_of_other_networks[crossed-False]": crossed or text,
    }
    return slip(ZEROS.format(**right | changes), **checks)


ZEROS_SLIPS = [
    zeros("in-place-layer-overwrites", keep="output"),
    zeros("containers-counted-too", layers="model.modules()"),
    zeros("only-activations", layers="[m for m in model.modules() if type(m) is nn.ReLU]"),
    zeros("nonzeros-counted", value="100 * (o != 0).double().mean().item()"),
    zeros("nonzero-fractions", value="(o != 0).double().mean().item()"),
    zeros("counts-for-percentages", value="(o == 0).sum().item()"),
    zeros("measured-in-training-mode", row="passed", crossed="passed", mode="pass"),
    zeros("not-positive-for-zero", value="100 * (o <= 0).double().mean().item()"),
    zeros("hooks-left", end="pass"),
    zeros("second-call-differs", start="kept = found"),
    zeros(
        "only-layers-with-weights",
        layers="[m for m in model.modules() if type(m) in (nn.Conv2d, nn.Linear)]",
    ),
    zeros(
        "overwritten-layers-with-weights",
        layers="[m for m in model.modules() if type(m) in (nn.Conv2d, nn.Linear)]",
        keep="output",
    ),
    zeros("containers-counted-and-overwritten", layers="model.modules()", keep="output"),
]
REGISTERED = slip(
    """
    def zero_percentages(model, image):
        kept = {}
        leaves = [m for m in model.modules() if not list(m.children())]
        hooks = [m.register_forward_hook(
            lambda m, i, o: kept.update({m: 100 * (o == 0).double().mean().item()})) for m in leaves]
        model.eval()(image)
        [h.remove() for h in hooks]
        return [kept[m] for m in leaves]
    """,
    **{
        "zeros_of_layers_in_a_row": "passed",
        "zeros_of_other_networks[plain-True]": "passed",
        "zeros_of_other_networks[crossed-False]": "order-of-registration",
    },
)

TOPICS = [
    CHECKPOINTS,
    TRAINING,
    EXTRACTORS,
    MODES,
    FEATURES,
    SVMS,
    TUNINGS,
    OPTIMISERS,
    COUNTS,
    [*ZEROS_SLIPS, REGISTERED],
]
