"""What the checks run in the student's process: small networks, and the student's functions on them.

The text of this file is sent there. It asks and reports raw values; it knows no expected one. The
checks use the networks on their own side too: the same seed gives the same weights in both places.
"""

import inspect
import re
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# ---- calling functions whose parameters stand in another order --------------------------------------

PARAMETERS = {
    "path": r"path|file|name|dir|ckpt$|checkpoint$",
    "model": r"^(model|net|network|resnet|backbone|cnn|m)\d*$",
    "optimizer": r"^(opt|optim|optimi[sz]er)$",
    "epochs": r"^(n_|num_|max_|total_)?epochs$|^n_?epoch$",
    "epoch": r"epoch",
    "every": r"every|interval|freq|period",
    "batches": r"batch(?!_?size)|loader|data",
    "num_classes": r"class|out",
    "criterion": r"crit|loss",
    "device": r"^dev",
}


def called(theirs, **given):
    """Call `theirs` with what its parameters are named after; in our order where names say nothing."""
    given = {name: value for name, value in given.items() if value is not None}
    extra = {"criterion": nn.CrossEntropyLoss(), "device": torch.device("cpu")}
    try:
        parameters = list(inspect.signature(theirs).parameters.values())
    except (TypeError, ValueError):
        return theirs(*given.values())
    parameters = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    arguments, left = {}, dict(given)
    for parameter in parameters:
        for name, pattern in PARAMETERS.items():
            if re.search(pattern, parameter.name, re.IGNORECASE) and name in left | extra:
                arguments[parameter.name] = left.pop(name, extra.get(name))
                break
    unnamed = [p.name for p in parameters if p.name not in arguments and p.default is p.empty]
    if unnamed:
        return theirs(*given.values())
    return theirs(**arguments)


# ---- a network with the parts of a ResNet ------------------------------------------------------------


class Small(nn.Module):
    """The parts of a ResNet, each of one layer: images (n, 3, 16, 16), 2048 features, 1000 scores."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(2)
        self.layer1 = _stage(4, 6)
        self.layer2 = _stage(6, 8, stride=2)
        self.layer3 = _stage(8, 12)
        self.layer4 = _stage(12, 2048, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        h = self.layer4(self.layer3(self.layer2(self.layer1(h))))
        return self.fc(torch.flatten(self.avgpool(h), 1))


def _stage(in_channels, channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def with_weights(model, seed):
    """Give `model` weights and statistics by a seed, of a size that keeps the signal."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(3)
            else:
                size = tensor[0].numel() if tensor.ndim > 1 else 4
                tensor.normal_(std=(2 / size) ** 0.5, generator=generator)
    return model


def network(seed, blind=False):
    """Return the small network in training mode; with `blind` its scores tell nothing."""
    with torch.random.fork_rng():
        model = with_weights(Small(), seed)
    if blind:
        with torch.no_grad():
            model.fc.weight.zero_()
    return model


def frozen(seed, thawed=()):
    """Return the small network with a head of seven classes, frozen but for that and `thawed`."""
    model = network(seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(tuple(thawed))
    model.fc = nn.Sequential(
        nn.Linear(2048, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 7)
    )
    with_weights(model.fc, seed + 1)
    return model


def state_of(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


# ---- a. checkpoints ----------------------------------------------------------------------------------


def learner(seed):
    """Return a small classifier of six measurements, with batch normalisation."""
    with torch.random.fork_rng():
        layers = (nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        return with_weights(nn.Sequential(*layers), seed)


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.2),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.02),
}


def steps(model, optimizer, batches):
    """Take a step on each batch."""
    model.train()
    for inputs, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


def round_trip(save, load, seed, name, batches):
    """Save after a few steps, load into another model, and go on from there."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "checkpoint.pt")
        model = learner(seed)
        optimizer = OPTIMIZERS[name](model.parameters())
        steps(model, optimizer, batches)
        called(save, path=path, model=model, optimizer=optimizer, epoch=7)
        files = len(list(Path(folder).iterdir()))
        steps(model, optimizer, batches)  # the saved state must not go on with the model
        fresh = learner(seed + 1)
        again = OPTIMIZERS[name](fresh.parameters())
        returned = called(load, path=path, model=fresh, optimizer=again)
    loaded = state_of(fresh)
    steps(fresh, again, batches)
    return {
        "files": files,
        "epoch": number_in(returned),
        "loaded": loaded,
        "resumed": state_of(fresh),
    }


def number_in(returned):
    """Return the number of an epoch in what a function returned, None where there is none."""
    if isinstance(returned, dict):
        returned = returned.get("epoch", list(returned.values()))
    if isinstance(returned, (tuple, list)):
        returned = next((each for each in returned if type(each) is int), None)
    return returned if isinstance(returned, (int, float)) else None


class Deliberate(Exception):
    """Raised on purpose: the session has ended."""


class Lesson(list):
    """Batches that can be looped over `left` times; counts how often they were."""

    def __init__(self, batches, left=1000):
        super().__init__(batches)
        self.left, self.begun = left, 0

    def __iter__(self):
        if self.begun == self.left:
            raise Deliberate("the session has ended")
        self.begun += 1
        return super().__iter__()


def interrupted(theirs, seed, name, batches, epochs, every, whole_epochs):
    """Train until the session ends, then call the same again with a new model and optimiser."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "checkpoint.pt")
        model = learner(seed)
        first = Lesson(batches, whole_epochs)
        given = {"epochs": epochs, "path": path, "every": every}
        try:
            optimizer = OPTIMIZERS[name](model.parameters())
            called(theirs, model=model, batches=first, optimizer=optimizer, **given)
        except Deliberate:
            pass
        files = len(list(Path(folder).iterdir()))
        fresh, second = learner(seed + 1), Lesson(batches)
        again = OPTIMIZERS[name](fresh.parameters())
        called(theirs, model=fresh, batches=second, optimizer=again, **given)
    return {"files": files, "epochs": second.begun, "state": state_of(fresh)}


def trained(theirs, seed, name, batches, epochs):
    """Train without checkpoints."""
    model, lesson = learner(seed), Lesson(batches)
    optimizer = OPTIMIZERS[name](model.parameters())
    history = called(theirs, model=model, batches=lesson, optimizer=optimizer, epochs=epochs)
    if isinstance(history, dict) and history:
        history = next((v for k, v in history.items() if "loss" in str(k)), None)
    if isinstance(history, tuple) and history and isinstance(history[0], list):
        history = history[0]
    return {"history": history, "epochs": lesson.begun, "state": state_of(model)}


# ---- b, d. freezing ----------------------------------------------------------------------------------


def transferred(theirs, seed, classes, images, with_values):
    """Let their function change the network, and tell what became of its parameters."""
    model = network(seed)
    given = state_of(model)
    made = called(theirs, model=model, num_classes=classes)
    made = made if isinstance(made, nn.Module) else model
    left = {name: tensor for name, tensor in given.items() if "running" not in name}
    known, new = {}, []
    for parameter in made.parameters():
        same = [
            n for n, t in left.items() if t.shape == parameter.shape and torch.equal(t, parameter)
        ]
        if same:
            known[same[0]] = parameter.requires_grad
            del left[same[0]]
        else:
            new.append(parameter)
    made.eval()
    with torch.no_grad():
        scores = made(images)
    return {
        "known": known,
        "new": [(tuple(p.shape), p.requires_grad) for p in new],
        "values": [p.detach() for p in new] if with_values else [],
        "scores": scores,
        "misspelt": any(hasattr(p, "require_grad") for p in (*made.parameters(), *made.modules())),
    }


def in_training(theirs, seed, thawed, images, labels):
    """Put a frozen network into training mode by their function, and take a step."""
    model = frozen(seed, thawed)
    flags = [p.requires_grad for p in model.parameters()]
    model.eval()  # as validation leaves it
    theirs(model)
    same_flags = flags == [p.requires_grad for p in model.parameters()]
    return {"same_flags": same_flags, **after_a_step(model, images, labels)}


def trained_extractor(theirs, seed, images, labels):
    """Put the network that their function makes into training mode by its own `train`."""
    model = network(seed)
    made = called(theirs, model=model, num_classes=7)
    made = made if isinstance(made, nn.Module) else model
    made.train()
    report = after_a_step(made, images, labels)
    return {"same_flags": True, **report}


def after_a_step(model, images, labels):
    modes = {name: layer.training for name, layer in model.named_modules()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1)
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    return {"modes": modes, "state": state_of(model)}


def rates(theirs, seed, thawed, learning_rate, images, labels):
    """Tell at which rates their optimiser holds the parameters, and what moves by a step of it."""
    model = frozen(seed, thawed)
    names = {id(p): name for name, p in model.named_parameters()}
    before = state_of(model)
    optimizer = theirs(model, learning_rate)
    rates = {
        names.get(id(p), "?"): float(group["lr"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    model.eval()
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    moved = [n for n, t in model.named_parameters() if not torch.equal(before[n], t)]
    return {"rates": rates, "moved": moved}


# ---- c. features -------------------------------------------------------------------------------------


def pooled_features(theirs, seed, images, training):
    """Ask for the features of images, of a model in training mode if asked."""
    model = network(seed).train(training)
    features = theirs(model, images)
    if isinstance(features, torch.Tensor):
        features = features.detach()
    return {"features": features, "whole": hasattr(model.fc, "weight")}


def svm_accuracies(theirs, seed, train, test):
    """Ask for the accuracies of an SVM on features of a network whose scores tell nothing."""
    returned = theirs(network(seed, blind=True), train, test)
    if isinstance(returned, dict):
        returned = list(returned.values())
    return [float(each) for each in returned]


# ---- e. zeros ----------------------------------------------------------------------------------------


class Plain(nn.Module):
    """Layers that run once each, in the order in which they are registered."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
        )
        self.drop = nn.Dropout(0.6)
        self.classifier = nn.Linear(5 * 9, 6)

    def forward(self, x):
        return self.classifier(self.drop(self.features(x)).flatten(1))


class Crossed(nn.Module):
    """Layers registered in another order than they run, and one ReLU that runs twice."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 5)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Sequential(nn.Conv2d(5, 6, 3), nn.BatchNorm2d(6))
        self.first = nn.Conv2d(3, 5, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        h = self.relu(self.first(x))
        h = self.pool(self.relu(self.second(h) - 0.5))
        return self.head(h.flatten(1))


def cnn(kind, seed):
    """Return a small CNN of the kind ``plain`` or ``crossed``."""
    with torch.random.fork_rng():
        return with_weights(Plain() if kind == "plain" else Crossed(), seed)


def zero_percentages(theirs, kind, seed, image, training):
    """Ask for the zeros twice, and look at what is left of the model."""
    model = cnn(kind, seed).train(training)
    before = state_of(model)
    first = listed(theirs(model, image))
    hooks = sum(len(vars(layer)["_forward_hooks"]) for layer in model.modules())
    mode = model.training
    second = listed(theirs(model, image))
    after = state_of(model)
    return {
        "first": first,
        "second": second,
        "hooks": hooks,
        "same_mode": mode == training,
        "same_state": all(torch.equal(before[name], after[name]) for name in before),
    }


def listed(returned):
    """Return the numbers of a list, a mapping or a tensor, in their order."""
    if isinstance(returned, dict):
        returned = list(returned.values())
    if isinstance(returned, (list, tuple)):
        pairs = [
            each[-1] if isinstance(each, (list, tuple)) and each else each for each in returned
        ]
        return [float(each) for each in pairs]
    return returned
