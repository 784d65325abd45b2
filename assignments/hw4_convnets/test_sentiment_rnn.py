"""Theory 3: what an RNN that classifies a sentence computes, how often, and in which shapes."""

import numpy as np
import pytest

from grader.checks.answers import Unreadable, read_shape

pytestmark = pytest.mark.question("sentiment-rnn")

STEP_INPUTS = {
    "a": ("الف", "only the word", "فقط واژه"),
    "b": (
        "ب",
        "x_t and h_{t-1}",
        "h_{t-1} and x_t",
        "x_t, h_{t-1}",
        "x_t و h_{t-1}",
        "word and previous hidden state",
        "واژه و حالت پنهان قبلی",
        "کلمه و حالت پنهان قبلی",
    ),
    "c": ("پ", "ج", "word and probabilities"),
    "d": ("ت", "د", "all words"),
}
OUTPUT_STATE = {
    "first": ("h_1", "اول", "نخست", "اولین"),
    "last": ("h_n", "h_T", "final", "آخر", "آخرین", "پایانی", "نهایی"),
    "each": ("every", "all", "همه", "همهٔ", "هر گام", "هر واژه", "هر کلمه"),
}


@pytest.mark.part("softmax-calls", points=3)
def test_how_often_softmax_is_called(student, reference, expect):
    answer = student.value("softmax_calls", kind="integer", units=("بار", "مرتبه", "times", "time"))
    expect(answer).equal(
        reference.softmax_calls,
        misconceptions={
            "softmax-after-every-word": reference.n_words,
            "softmax-once-per-class": reference.softmax_size,
            "softmax-not-at-test-time": 0,
        },
    )


@pytest.mark.part("softmax-size", points=3)
def test_over_how_many_values_softmax_runs(student, reference, expect):
    units = ("کلاس", "مقدار", "class", "classes", "values")
    answer = student.value("softmax_size", kind="integer", units=units)
    expect(answer).equal(
        reference.softmax_size,
        misconceptions={
            "classes-from-zero": reference.softmax_size - 1,
            "softmax-over-words": reference.n_words,
            "softmax-over-vocabulary": reference.vocabulary_size,
            "softmax-over-hidden-state": reference.hidden_size,
            "softmax-over-embedding": reference.embedding_size,
        },
    )


@pytest.mark.part("inputs", points=1)
def test_inputs_of_a_step(student, reference, expect):
    answer = student.value("step_inputs", kind="choice", options=STEP_INPUTS)
    expect(answer).choice(
        reference.step_inputs,
        misconceptions={
            "step-without-memory": "a",
            "step-takes-probabilities": "c",
            "step-takes-whole-sentence": "d",
        },
    )


@pytest.mark.part("inputs", points=1)
def test_state_that_the_output_is_made_from(student, reference, expect):
    answer = student.value("output_state", kind="choice", options=OUTPUT_STATE)
    expect(answer).choice(
        reference.output_state,
        misconceptions={"output-of-first-state": "first", "output-at-every-step": "each"},
    )


@pytest.mark.part("inputs", points=1)
def test_shapes_of_all_tensors(student, reference, expect):
    sizes = (7, 11, 13, 5, 3)  # words, embedding, hidden, classes, batch
    expected = reference.rnn_shapes(*sizes)
    answer = student.call("rnn_shapes", *sizes)
    answered = answer.value if isinstance(answer.value, dict) else {}
    shapes = {_key(name): _shape(value) for name, value in answered.items()}
    claims = []
    for name, shape in expected.items():
        found = shapes.get(_key(name))
        claims.append(
            {
                "what": name,
                "claimed": "—" if found is None else str(found),
                "found": str(shape),
                "agrees": found in _layouts(name, shape),
            }
        )
    expect.evidence(claims=claims)
    right = sum(claim["agrees"] for claim in claims)
    if right < len(claims):
        expect.satisfies(2 * right >= len(claims), "shapes-mostly-wrong")
        expect.misconception("shapes-partly-wrong")


def _key(name):
    return str(name).lower().replace("_", "").replace(" ", "")


def _shape(value):
    try:
        return read_shape(value)
    except Unreadable:
        return None


def _layouts(name, shape):
    """Return the right shapes: matrices either way round, batch or words first, biases as rows."""
    if name == "sentence":
        return {shape, (shape[1], shape[0], shape[2])}
    if name.startswith("b_"):
        return {shape, (1, *shape), (*shape, 1)}
    return {shape, shape[::-1], (1, *shape)}


@pytest.mark.part("inputs", points=1)
@pytest.mark.hidden
def test_probabilities_of_a_sentence(student, reference, expect, rng):
    probabilities = student.function("sentiment_probabilities")
    for words, embedding, hidden, classes in ((6, 4, 3, 5), (1, 5, 4, 3), (9, 2, 6, 5)):
        sentence = rng.normal(size=(words, embedding))
        weights = {
            "W_xh": rng.normal(size=(embedding, hidden)),
            "W_hh": rng.normal(size=(hidden, hidden)),
            "b_h": rng.normal(size=hidden),
            "W_hy": rng.normal(size=(hidden, classes)),
            "b_y": rng.normal(size=classes),
        }
        answer = probabilities(sentence, *weights.values())
        expected = reference.sentiment_probabilities(sentence, *weights.values())
        scores = np.log(expected)
        W_xh, W_hh, b_h, W_hy, b_y = weights.values()
        states = [np.zeros(hidden)]
        for x in sentence:
            states.append(np.tanh(x @ W_xh + states[-1] @ W_hh + b_h))
        logits = states[-1] @ W_hy + b_y
        no_memory = np.tanh(sentence[-1] @ W_xh + b_h) @ W_hy + b_y
        expect(answer.array.squeeze()).close(
            expected,
            misconceptions={
                "scores-without-softmax": logits,
                "log-of-probabilities": scores,
                "states-averaged": _softmax(np.mean(states[1:], axis=0) @ W_hy + b_y),
                "memory-not-used": _softmax(no_memory),
                "output-of-first-state": _softmax(states[1] @ W_hy + b_y),
                "softmax-at-every-word": _softmax(np.array(states[1:]) @ W_hy + b_y),
            },
        )


def _softmax(scores):
    exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)
