"""Code for hw10_transfer_learning: wrong answers that its checks catch, unusual right ones they accept."""

from __future__ import annotations

from itertools import zip_longest

import pytest

from tests.assignments.outcomes import assert_found
from tests.assignments.transfer_answers import SETUP, TOPICS, Slip
from tests.desk import Desk

SLUG = "hw10_transfer_learning"

NOTEBOOKS: list[list[Slip]] = [
    [slip for slip in slips if slip is not None] for slips in zip_longest(*TOPICS)
]


@pytest.mark.parametrize("number", range(len(NOTEBOOKS)))
def test_wrong_answers_are_told_by_name(desk: Desk, number: int) -> None:
    slips = NOTEBOOKS[number]
    graded = desk.cells(SETUP, *(slip.source for slip in slips))
    assert_found(graded, {check: text for slip in slips for check, text in slip.found.items()})


# ---- unusual right answers ---------------------------------------------------------------------------

OTHER_ORDER = """
import copy

def save_model(epoch, net, opt, filename):
    everything = dict(epoch=epoch, weights=copy.deepcopy(net.state_dict()), opt=opt.state_dict())
    torch.save(everything, filename)

def load_model(net, opt, filename):
    everything = torch.load(filename, map_location="cpu")
    net.load_state_dict(everything["weights"])
    opt.load_state_dict(everything["opt"])
    return net, opt, everything["epoch"]

def train_model(net, train_loader, criterion, optim, num_epochs=10, device="cpu", ckpt_path=None, save_every=5):
    first, losses, seen = 0, torch.empty(0), 0
    if ckpt_path is not None:
        try:
            net, optim, first = load_model(net, optim, ckpt_path)
        except FileNotFoundError:
            pass
    for epoch in range(first, num_epochs):
        net.train()
        total = seen = 0
        for images, labels in train_loader:
            optim.zero_grad(set_to_none=False)
            loss = criterion(net(images.to(device)), labels.to(device))
            loss.backward()
            optim.step()
            total, seen = total + loss.detach() * len(images), seen + len(images)
        losses = torch.cat([losses, (total / seen)[None]])
        if ckpt_path is not None and (epoch + 1) % save_every == 0:
            save_model(epoch + 1, net, optim, ckpt_path)
    return losses
"""

WRAPPED = """
class Transfer(nn.Module):
    def __init__(self, model, num_classes, thawed=()):
        super().__init__()
        self.body = nn.Sequential(*list(model.children())[:-1])
        self.head_in = nn.Linear(model.fc.in_features, 1024)
        self.head_out = nn.Linear(1024, num_classes)
        self.body.requires_grad_(False)
        for place in thawed:
            self.body[place].requires_grad_(True)

    def forward(self, x):
        x = self.body(x).flatten(1)
        return F.log_softmax(self.head_out(F.relu(self.head_in(x))), dim=1)

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self

def feature_extractor(model, num_classes=196):
    return Transfer(model, num_classes)

def unfreeze_last_layers(resnet, n_classes):
    return Transfer(resnet, n_classes, thawed=(-3, -2))
"""

STEADY = """
def freeze_bn(net):
    net.eval()
    net.fc.train()

def get_optimizer(net, lr):
    groups = []
    for name, p in net.named_parameters():
        groups.append({"params": [p], "lr": lr if name.startswith("fc") else lr * 0.01})
    return torch.optim.AdamW(groups, weight_decay=0.0)
"""

HOOKED = """
def extract_features(net, x):
    net.fc, kept = nn.Identity(), net.fc
    net.eval()
    try:
        with torch.inference_mode():
            return net(x)[:, :, None, None].clone()
    finally:
        net.fc = kept

def train_svm(net, trainset, testset):
    from sklearn.linear_model import SGDClassifier
    from sklearn.svm import LinearSVC
    def gather(batches):
        X = np.vstack([extract_features(net, x).squeeze(-1).squeeze(-1).numpy() for x, _ in batches])
        return X / np.linalg.norm(X, axis=1, keepdims=True), np.hstack([y for _, y in batches])
    (X, y), (Xt, yt) = gather(trainset), gather(testset)
    svm = LinearSVC(C=100.0).fit(X, y)
    return {"train": 100 * (svm.predict(X) == y).mean(), "test": 100 * (svm.predict(Xt) == yt).mean()}

def zero_fraction(net, img):
    values, handles = {}, []
    def watch(name):
        def hook(layer, given, out):
            values[name] = ((out.numel() - out.count_nonzero()) / out.numel()).item()
        return hook
    for name, layer in net.named_modules():
        if len(list(layer.children())) == 0:
            handles.append(layer.register_forward_hook(watch(name)))
    net.eval()
    net(img)
    for handle in handles:
        handle.remove()
    return values
"""

SEQUENTIAL = """
def save_checkpoint(path, model, optimizer, epoch):
    torch.save([epoch, model.state_dict(), optimizer.state_dict()], path)

def load_checkpoint(path, model, optimizer):
    epoch, weights, state = torch.load(path)
    model.load_state_dict(weights)
    optimizer.load_state_dict(state)
    return {"epoch": epoch}

def feature_extractor(model, num_classes=196):
    model = copy.deepcopy(model).requires_grad_(False)
    model.fc = nn.Sequential(
        nn.Dropout(0.3), nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(1024, num_classes)
    )
    return model

def set_training_mode(model):
    for layer in model.modules():
        own = list(layer.parameters(recurse=False))
        layer.train(not own or own[0].requires_grad)
    model.bn1.eval()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train(layer.weight.requires_grad)

def pooled_features(model, images):
    model.eval()
    with torch.no_grad():
        for name, part in model.named_children():
            if name != "fc":
                images = part(images)
    return torch.flatten(images, 1)

def zero_percentages(model, image):
    rows, number = [], 0
    def hook(layer, given, out):
        if not len(list(layer.children())):
            rows.append((len(rows) + 1, float(np.mean(out.detach().numpy() == 0) * 100)))
    handles = []
    model.eval()
    model.apply(lambda layer: handles.append(layer.register_forward_hook(hook)))
    model(image)
    while handles:
        handles.pop().remove()
    return rows
"""

TRAIN_FROM_A_LIST = """
import pathlib

def train(model, batches, optimizer, epochs, path=None, every=5):
    history = {"loss": [], "acc": []}
    start = load_checkpoint(path, model, optimizer)["epoch"] if path and pathlib.Path(path).is_file() else 0
    while start < epochs:
        model.train()
        rows = []
        for x, y in batches:
            def closure():
                optimizer.zero_grad()
                loss = nn.CrossEntropyLoss()(model(x), y)
                loss.backward()
                return loss
            rows.append(optimizer.step(closure).item())
        start += 1
        history["loss"].append(np.mean(rows))
        if path is not None and start % every == 0:
            save_checkpoint(path, model, optimizer, start)
    return history
"""

UNUSUAL = {
    "other names, orders and containers": (
        [OTHER_ORDER, WRAPPED, STEADY, HOOKED],
        {
            "log-softmax-is-harmless",
            "trained-normalisation-in-evaluation-mode",
            "frozen-parameters-in-the-optimiser",
            "features-not-flattened",
            "fractions-for-percentages",
            "fractions-of-layers-counted-once",
            "mode-not-put-back",
        },
    ),
    "copies, closures and rows": (
        ["import copy", SEQUENTIAL, TRAIN_FROM_A_LIST],
        {"mode-not-put-back"},
    ),
    "a model that keeps its statistics by itself": (
        [WRAPPED, HOOKED.replace("return values", "return [100 * v for v in values.values()]")
         .replace("net.fc = kept", "pass")],
        {"statistics-kept-by-the-model", "model-left-without-fc", "layer-counted-once"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_right_answers_are_accepted(desk: Desk, name: str) -> None:
    sources, notes = UNUSUAL[name]
    graded = desk.cells(SETUP, *sources)
    answered = {check for check, result in graded.items() if result.verdict != "missing"}
    assert_found(graded, dict.fromkeys(answered, "passed"))
    assert len(answered) >= 12
    texts = {note.text["en"]: key for key, note in desk.assignment.texts.notes.items()}
    said = {texts[n["en"]] for r in graded.values() for n in r.evidence.get("notes", [])}
    assert notes <= said


def test_every_check_of_code_has_a_wrong_answer_and_an_unusual_right_one(desk: Desk) -> None:
    parts = [part for question in desk.skeleton().questions for part in question.parts]
    of_code = {check.id for part in parts if part.kind == "auto" for check in part.checks}
    slips = [slip.found for slips in TOPICS for slip in slips]
    wrong = {check for found in slips for check, text in found.items() if text != "passed"}
    assert wrong == of_code
    numbers = {check for found in slips for check, text in found.items() if text == "passed"}
    first, _ = next(iter(UNUSUAL.values()))
    graded = desk.cells(SETUP, *first)
    assert of_code == {check for check in of_code if graded[check].verdict == "passed"} | {
        check for check in numbers if "count" in check
    }
