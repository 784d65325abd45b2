"""Secrets are found and not repeated; what only resembles one is left alone."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebook import read_notebook, secrets_left
from grader.secrets import MASK, find_secrets, redact

DATA = Path(__file__).parent / "data"


def made_up(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return random characters, so that no real-looking token stands in this file."""
    return "".join(random.Random(length).choices(alphabet, k=length))


HEX = "0123456789abcdef"
TOKENS = {
    "GitHub": "ghp_" + made_up(36),
    "GitHub, fine-grained": "github_pat_" + made_up(22) + "_" + made_up(59),
    "GitLab": "glpat-" + made_up(20),
    "Hugging Face": "hf_" + made_up(34),
    "Kaggle": "KGAT_" + made_up(32, HEX),
    "AWS": "AKIA" + made_up(16, string.ascii_uppercase + string.digits),
    "Google key": "AIza" + made_up(35),
    "Google access": "ya29." + made_up(120),
    "Google client": "GOCSPX-" + made_up(28),
    "Google refresh": "1//0" + made_up(60),
    "Google Drive code": "4/0A" + made_up(60),
    "OpenAI": "sk-" + made_up(48),
    "OpenAI project": "sk-proj-" + made_up(80),
    "Slack": "xoxb-" + made_up(12, string.digits) + "-" + made_up(24),
    "Telegram": made_up(10, string.digits) + ":AA" + made_up(33),
    "PyPI": "pypi-AgE" + made_up(150),
    "npm": "npm_" + made_up(36),
    "JWT": ".".join(["eyJ" + made_up(30), "eyJ" + made_up(60), made_up(43)]),
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "x = '{}'", "!cmd {}\n", "توکن من: {}.", '{{"a": "{}"}}', "({},)"]
)
def test_tokens_are_known_by_their_form(token, around):
    text = around.format(token)
    assert redact(text) == around.format(MASK)


KEY = made_up(32, HEX)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("!wget --user=sara --password=Khorshid1400 https://a.ir/x.tgz", "Khorshid1400"),
        ("!wget --http-password 'Khorshid1400' https://a.ir", "Khorshid1400"),
        ("!curl -s -u sara:Khorshid1400 https://a.ir", "Khorshid1400"),
        ("!git clone https://sara:Khorshid1400@github.com/s/hw.git", "sara:Khorshid1400"),
        ("db = 'postgres://u:pw12@localhost:5432/x'", "u:pw12"),
        (
            "!wget --header='Cookie: _ga=GA1.2.3; ka_sessionid=abcdef123' https://a.ir",
            "_ga=GA1.2.3; ka_sessionid=abcdef123",
        ),
        ("headers = {'Authorization': 'Bearer abcdefgh12345'}", "abcdefgh12345"),
        ("headers = {'Authorization': f'Basic c2FyYTpwdw=='}", "c2FyYTpwdw=="),
        (f'{{"username":"sara","key":"{KEY}"}}', KEY),
        (f"api = {{'username': 'sara', 'key': '{KEY}'}}", KEY),
        (
            f'!echo "{{\\"username\\":\\"sara\\",\\"key\\":\\"{KEY}\\"}}" > ~/.kaggle/kaggle.json',
            KEY,
        ),
        (f"os.environ['KAGGLE_KEY'] = '{KEY}'", KEY),
        (f"os.environ.setdefault('HF_TOKEN', '{KEY}')", KEY),
        (f"%env WANDB_API_KEY={KEY}", KEY),
        (f"%env KAGGLE_KEY {KEY}", KEY),
        (f"!export KAGGLE_KEY={KEY}", KEY),
        (f"!wandb login --relogin {KEY}{KEY[:8]}", KEY + KEY[:8]),
        (f"wandb.login(key='{KEY}')", KEY),
        (f'login(token = "{KEY}")', KEY),
        (f'kaggle_api_key = "{KEY}" #@param {{type:"string"}}', KEY),
        ("PASSWORD = 'khorshid'", "khorshid"),
        ("conn(user='sara', passwd='kh0rshid')", "kh0rshid"),
        ("client_secret: 'abcd-efgh'", "abcd-efgh"),
        ("password: Khorshid1400", "Khorshid1400"),
        ("رمز عبور: khorshid1400", "khorshid1400"),
        ("url = 'https://a.ir/x?access_token=abcDEF123456'", "abcDEF123456"),
        ("https://s.com/x.zip?X-Goog-Expires=3&X-Goog-Signature=" + KEY * 4, KEY * 4),
        ("x.zip%3FX-Goog-Algorithm%3DGOOG4%26X-Goog-Signature%3D" + KEY * 4, KEY * 4),
    ],
)
def test_secrets_are_known_by_what_stands_before_them(text, secret):
    assert redact(text) == text.replace(secret, MASK)


def test_a_private_key_is_masked_whole_also_when_it_is_cut():
    body = "\n".join(made_up(64) for _ in range(20))
    pem = f"k = '''-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----'''"
    assert (
        redact(pem)
        == f"k = '''-----BEGIN RSA PRIVATE KEY-----{MASK}-----END RSA PRIVATE KEY-----'''"
    )
    assert made_up(64) not in redact(pem[:500])


@pytest.mark.parametrize(
    "text",
    [
        "DATA_HUB['kaggle_house'] = (DATA_URL + 'train.csv', '"
        + hashlib.sha1(b"a").hexdigest()
        + "')",
        "assert sha256(x).hexdigest() == '" + hashlib.sha256(b"a").hexdigest() + "'",
        "revision='" + hashlib.md5(b"a").hexdigest() + "'",
        "!git checkout " + hashlib.sha1(b"b").hexdigest(),
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')",
        "tokens = tokenizer('پاسخ شما', return_tensors='pt')",
        "pad_token = '[PAD]'; eos_token='<|endoftext|>'; unk_token = 'unknown-token-2024-abc'",
        "token = 'hello'",
        "for token in doc: print(token.text, token.pos_)",
        "parser.add_argument('--password', help='your password')",
        "password = input('Password: ')",
        "password = getpass.getpass()",
        "password = os.environ['PASSWORD']",
        "api_key = 'YOUR_API_KEY'",
        "api_key = 'your-key-here'",
        "api_key = 'aaaaaaaaaaaaaaaaaaaa1111'",
        "os.environ['HF_TOKEN'] = '...'",
        "token = userdata.get('HF_TOKEN')",
        "headers = {'Authorization': f'Bearer {token}'}",
        "url = f'https://{user}:{password}@host/x'",
        "sorted(items, key=lambda kv: kv[1])",
        "history['key'] = 'val_accuracy_top5_2024_run3'",
        "pwd = '/content/drive/MyDrive'",
        "secret_key: str",
        "print('loss: 0.0123456789012345678901234567890')",
        "git@github.com:sara/hw.git and sara@example.ir",
        "http://localhost:8888/lab?x=1",
        "gdown 1Zt_ABCdefGHIjklMNOpqrSTUvwxYZ012",
        "https://drive.google.com/file/d/1Zt_ABCdefGHIjklMNOpqrSTUvwxYZ012/view?usp=sharing",
        "loss = criterion(y_hat, y)  # sk-learn, hf_hub, ghp",
        "Epoch 3/10: 100%|████| 391/391 [00:12<00:00, 31.4it/s, loss=1.2]",
        "conv1.weight: torch.Size([64, 3, 7, 7])",
        "x = 7//0.5 + 4/0.25",
    ],
)
def test_ordinary_code_and_text_is_left_alone(text):
    assert redact(text) == text


@pytest.mark.parametrize("width", [0, 64, 76])
def test_base64_pictures_are_left_alone(width):
    data = base64.b64encode(random.Random(3).randbytes(300_000)).decode()
    if width:
        data = "\n".join(data[i : i + width] for i in range(0, len(data), width))
    assert redact(data) == data
    html = f'<img src="data:image/png;base64,{data}">'
    assert redact(html) == html


def test_outputs_and_sources_of_real_notebooks_are_left_alone_but_for_their_secret():
    for path in sorted(DATA.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert redact(text) == text.replace("Khorshid1400", MASK)


def test_a_notebook_tells_in_which_cells_secrets_stand_but_never_which():
    notebook = read_notebook(DATA / "colab_hw10.ipynb").notebook
    (finding,) = secrets_left(notebook)
    assert finding.cell == 2
    assert finding.values == {"cells": [3], "kinds": ["password"]}
    assert secrets_left(read_notebook(DATA / "jupyter_hw4.ipynb").notebook) == []


def test_secrets_in_outputs_are_found():
    token = TOKENS["GitHub"]
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": token},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": [token]},
        {"output_type": "display_data", "data": {"text/html": f"<b>{token}</b>"}, "metadata": {}},
    ]
    for output in outputs:
        cell = {"cell_type": "code", "source": "", "outputs": [output], "metadata": {}}
        submission = read_notebook(json.dumps({"cells": [cell], "nbformat": 4}).encode())
        assert [f.values["kinds"] for f in secrets_left(submission.notebook)] == [["GitHub token"]]


_pieces = st.sampled_from(
    [
        *TOKENS.values(),
        "password = '",
        "khorshid1",
        "'",
        "\n",
        "://",
        "a:b@c",
        "Cookie: a=",
        "token",
        "=",
        " ",
    ]
)


@given(st.lists(_pieces | st.text(max_size=8), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_redacting_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@given(st.lists(_pieces, max_size=8).map("".join))
@settings(max_examples=200, deadline=None)
def test_secrets_do_not_overlap_and_are_in_order(text):
    found = find_secrets(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(0 <= s.start < s.end <= len(text) for s in found)


@pytest.mark.parametrize(
    "text",
    [
        "password" * 40_000,
        "-----BEGIN PRIVATE KEY-----" * 10_000,
        "://a:" * 60_000,
        "cookie: " * 40_000,
        "username: " * 30_000,
        "curl " * 60_000,
        "eyJaaaaaaaaaaaaa." * 20_000,
        "token = '" * 30_000,
        "wandb login " * 25_000,
        "loss: 0.1234 acc: 0.98 epoch 3/10 step 100\n" * 7_000,
    ],
    ids=lambda text: text[:12].strip(),
)
def test_long_texts_take_time_in_proportion(text):
    start = time.process_time()
    redact(text)
    assert time.process_time() - start < 2.0
