"""Honest code does not notice the cage: what coursework uses works there as it does anywhere."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.kernel.notebooks import Execute, printed, statuses

FILES = {
    PurePosixPath("marks.csv"): b"name,mark\nSara,18.5\nAli,14\nSara,16.5\n",
    PurePosixPath("data/points.txt"): b"1 2\n3 4\n",
    PurePosixPath("data/نمره.txt"): "هجده".encode(),
}

# By what it is about: its cells, and a line that the last one prints.
HONEST = {
    "a question checked from a cell": (
        """
from grader import check
import grader
done = check("conv-gradients", language="fa")
assert done.passed and grader.check("other", pack=".").passed
print(done)
""",
        "This notebook is being checked as a whole: no question is checked from a cell.",
    ),
    "a loader with two workers": (
        """
import torch
from torch.utils.data import DataLoader, Dataset
class Squares(Dataset):
    def __len__(self): return 20
    def __getitem__(self, i): return torch.full((1000,), float(i * i)), i
loader = DataLoader(Squares(), batch_size=4, shuffle=True, num_workers=2,
                    persistent_workers=True)
for epoch in range(2):
    total = sum(float(x[:, 0].sum()) for x, _ in loader)
print(total)
""",
        "2470.0",
    ),
    "threads": (
        """
import queue, threading
from concurrent.futures import ThreadPoolExecutor
done = queue.Queue()
workers = [threading.Thread(target=done.put, args=(i,)) for i in range(8)]
for w in workers: w.start()
for w in workers: w.join(timeout=20)
with ThreadPoolExecutor(4) as pool: print(done.qsize(), sum(pool.map(abs, range(-9, 0))))
""",
        "8 45",
    ),
    "a pool of processes": (
        """
import math, multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
def square(n): return n * n
with mp.Pool(2) as pool: facts = pool.map(math.factorial, range(6))
with mp.get_context('fork').Pool(2) as pool: squares = pool.map(square, range(6))
with ProcessPoolExecutor(2, mp.get_context('fork')) as pool:
    print(sum(facts), sum(squares), sum(pool.map(square, range(6))))
""",
        "154 55 55",
    ),
    "two jobs of joblib": (
        """
import os
from joblib import Parallel, delayed
jobs = Parallel(n_jobs=2)(delayed(lambda n: (n * n, os.getpid()))(n) for n in range(6))
print(sum(n for n, _ in jobs), os.getpid() in {pid for _, pid in jobs})
""",
        "55 False",
    ),
    "commands of the shell": (
        """
names = !ls data
# %%
%%bash
set -e
mkdir -p out/deep
sort marks.csv | head -n 1 > out/deep/first
for i in 1 2; do echo $i; done | wc -l
# %%
%%sh
echo from a shell
# %%
import subprocess
first = subprocess.run(['cat', 'out/deep/first'], capture_output=True)
print(len(names), first.stdout.decode().strip())
""",
        "2 Ali,14",
    ),
    "temporary files": (
        """
import os, tempfile
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile('w+') as file:
    file.write('kept'); file.seek(0)
    os.rename(tempfile.mkstemp(dir=folder)[1], f'{folder}/moved')
    print(os.listdir(folder), file.read(), end=' ')
print(os.path.exists(folder), tempfile.gettempdir())
""",
        "['moved'] kept False /tmp",
    ),
    "files written and read back": (
        """
import json, pickle, shutil, sqlite3, zipfile
import numpy as np
from pathlib import Path
Path('runs/1').mkdir(parents=True)
Path('runs/1/log.json').write_text(json.dumps({'loss': [3, 2]}))
pickle.dump({'a': 1}, open('runs/a.pickle', 'wb')); np.savez('runs/b.npz', x=np.eye(2))
with zipfile.ZipFile('runs.zip', 'w') as packed: packed.write('runs/b.npz')
base = sqlite3.connect('runs/base.db')
base.execute('create table t (x)'); base.execute('insert into t values (7)'); base.commit()
shutil.copytree('runs', 'copy'); shutil.rmtree('runs')
# %%
print(json.load(open('copy/1/log.json')), pickle.load(open('copy/a.pickle', 'rb')),
      np.load('copy/b.npz')['x'].sum(), zipfile.ZipFile('runs.zip').namelist(),
      sqlite3.connect('copy/base.db').execute('select x from t').fetchall())
""",
        "{'loss': [3, 2]} {'a': 1} 2.0 ['runs/b.npz'] [(7,)]",
    ),
    "a model saved and loaded": (
        """
import torch
from torch import nn
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimiser = torch.optim.Adam(net.parameters())
net(torch.ones(2, 3)).sum().backward(); optimiser.step()
torch.save({'net': net.state_dict(), 'optimiser': optimiser.state_dict()}, 'best.pt')
# %%
saved = torch.load('best.pt', map_location='cpu')
other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
other.load_state_dict(saved['net']); x = torch.rand(5, 3)
torch.save(net, 'whole.pt'); whole = torch.load('whole.pt', weights_only=False)
print(torch.equal(net(x), other(x)), torch.equal(whole(x), net(x)))
""",
        "True True",
    ),
    "matplotlib with its font cache": (
        """
import os, subprocess, sys, matplotlib
code = 'from matplotlib import font_manager as f; print(f.findfont("DejaVu Sans"))'
found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
kept = [n for n in os.listdir(matplotlib.get_cachedir()) if n.startswith('fontlist')]
print(found.stdout.strip().rpartition('/')[2], len(kept), found.stderr)
""",
        "DejaVuSans.ttf 1",
    ),
    "a figure, inline and in a file": (
        """
%matplotlib inline
import matplotlib.pyplot as plt
figure, axes = plt.subplots(); axes.plot([1, 3, 2]); axes.set_title('loss')
figure.savefig('loss.png'); figure.savefig('loss.pdf'); plt.show()
# %%
import os
print(plt.imread('loss.png').ndim, os.path.getsize('loss.pdf') > 1000)
""",
        "3 True",
    ),
    "the home folder": (
        """
import os
from pathlib import Path
folder = Path.home() / '.cache' / 'models'; folder.mkdir(parents=True)
(folder / 'weights').write_bytes(b'123')
print(os.path.getsize(os.path.expanduser('~/.cache/models/weights')), Path('~').expanduser() == Path.home())
""",
        "3 True",
    ),
    "measured time": (
        """
%timeit -n 3 -r 2 sum(range(100))
# %%
%%time
x = sum(range(1000))
# %%
import time
started = time.perf_counter(); time.sleep(0.01)
result = %timeit -o -q -n 2 -r 2 pass
print(time.perf_counter() - started >= 0.01, result.repeat, x)
""",
        "True 2 499500",
    ),
    "progress bars": (
        """
from tqdm import tqdm, trange
from tqdm.auto import tqdm as automatic
# %%
total = sum(tqdm(range(50), desc='training')) + sum(trange(3))
bar = automatic(total=2, disable=True); bar.update(2); bar.close()
print(total)
""",
        "1228",
    ),
    "pandas": (
        """
import pandas as pd
marks = pd.read_csv('marks.csv')
marks
# %%
means = marks.groupby('name').mark.mean(); means.to_csv('means.csv')
marks.to_pickle('marks.pickle')
print(pd.read_csv('means.csv').to_dict('list'), len(pd.read_pickle('marks.pickle')))
""",
        "{'name': ['Ali', 'Sara'], 'mark': [14.0, 17.5]} 3",
    ),
    "scikit-learn": (
        """
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X, y = load_iris(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, random_state=0)
linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
forest = RandomForestClassifier(20, n_jobs=2, random_state=0).fit(X, y)
print(linear.score(X_test, y_test) > 0.9, forest.score(X_test, y_test) > 0.9)
""",
        "True True",
    ),
    "Optuna": (
        """
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
def objective(trial): return (trial.suggest_float('x', -4, 4) - 1) ** 2
study = optuna.create_study(storage='sqlite:///study.db', study_name='s',
                            sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=6)
again = optuna.load_study(storage='sqlite:///study.db', study_name='s')
print(len(again.trials), again.best_value < 4)
""",
        "6 True",
    ),
    "data handed in with the notebook": (
        """
import numpy as np
from pathlib import Path
print(np.loadtxt('data/points.txt').sum(), Path('data/نمره.txt').read_text(),
      sorted(p.name for p in Path.cwd().iterdir()))
""",
        "10.0 هجده ['data', 'marks.csv']",
    ),
    "waiting for a coroutine": (
        """
import asyncio
async def later(n):
    await asyncio.sleep(0.001)
    return n
print(sum(await asyncio.gather(*(later(n) for n in range(5)))))
""",
        "10",
    ),
    "a limit of time by a signal": (
        """
import signal, time
def late(*_): raise TimeoutError
signal.signal(signal.SIGALRM, late); signal.setitimer(signal.ITIMER_REAL, 0.05)
try: time.sleep(30)
except TimeoutError: print('in time')
""",
        "in time",
    ),
}


def cells(about: str) -> list[str]:
    return [cell.strip("\n") for cell in HONEST[about][0].split("# %%")]


@pytest.mark.parametrize("about", HONEST)
def test_it_works(execute: Execute, about: str) -> None:
    run = execute(*cells(about), files=FILES)
    assert statuses(run) == ["ok"] * len(run.cells), [cell.error for cell in run.cells]
    assert HONEST[about][1] in [line.strip() for line in printed(run).splitlines()]


WARNINGS = """
import warnings, numpy as np
warnings.warn('beware of this')
np.log(np.zeros(1))
with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    warnings.warn('not of this')
warnings.filterwarnings('error', message='of that')
try: warnings.warn('of that')
except UserWarning: print('caught')
"""


def test_warnings_are_shown_and_stop_nothing(execute: Execute) -> None:
    run = execute(WARNINGS)
    assert statuses(run) == ["ok"]
    assert "UserWarning: beware of this" in printed(run)
    assert "RuntimeWarning: divide by zero" in printed(run)
    assert "not of this" not in printed(run)
    assert "caught" in printed(run)


def test_tables_and_figures_are_shown_and_bars_come_to_their_end(execute: Execute) -> None:
    run = execute(
        cells("pandas")[0],
        cells("a figure, inline and in a file")[0],
        "from tqdm import tqdm\nfor n in tqdm(range(4), desc='training'): pass",
        files=FILES,
    )
    shown = [
        {kind for o in cell.outputs for kind in o.get("data", {})} for cell in run.notebook.cells
    ]
    assert "text/html" in shown[0]
    assert "image/png" in shown[1]
    assert "training: 100%" in printed(run)
