"""A hand-in full of secrets, in every place that a report shows. All are made up."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "GitHub token": "gh" + "p_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R",
    "Hugging Face token": "h" + "f_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345ab",
    "API key": "s" + "k-proj-a1B2c3D4e5F6g7H8i9J0k1L2",
    "AWS key": "AK" + "IA0123456789ABCDEF",
    "Google key": "AI" + "zaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "Kaggle key": "5f0c1d9e8b7a46352413f0c1d9e8b7a4",
    "password": "Tr0ub4dor&3-zebra",
    "password in a link": "h0rse-b4ttery",
    "web token": "eyJhbGciOiJIUzI1NiJ9"
    ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "private key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
}
HIDDEN = "beside the secret"


def _lines() -> list[str]:
    return [
        f'github = "{SECRETS["GitHub token"]}"  # {HIDDEN}',
        f'login("{SECRETS["Hugging Face token"]}")',
        f'client = "{SECRETS["API key"]}"',
        f'aws = "{SECRETS["AWS key"]}"',
        f'google = "{SECRETS["Google key"]}"',
        f'{{"username": "sara", "key": "{SECRETS["Kaggle key"]}"}}',
        f'password = "{SECRETS["password"]}"',
        f'url = "https://me:{SECRETS["password in a link"]}@example.org/data"',
        f'"Authorization: Bearer {SECRETS["web token"]}"',
        f"-----BEGIN PRIVATE KEY-----\n{SECRETS['private key']}\n-----END PRIVATE KEY-----",
    ]


def with_secrets(notebook: NotebookNode, folder: Path) -> None:
    """Write `notebook` into `folder`, with secrets in code, outputs, errors, answers and files."""
    text = "\n".join(_lines())
    source = f"text = {text!r}\n"
    # At the places where a long output and a long cell are cut.
    padded = "".join(f"{'x' * (1990 - n)} {line}\n" for n, line in enumerate(_lines()))
    shown = v4.new_code_cell(
        f"login = print\n'''{text}'''\n{source}print(text)\nimport sys\nprint(text, file=sys.stderr)\ntext"
    )
    long = v4.new_code_cell(f"text = {text!r}\nfor n, line in enumerate(text.split('\\n')):\n"
                            "    for cut in range(0, 60, 7):\n        print('x' * (1960 + cut) + ' ' + line + 'x' * 1990)")  # fmt: skip
    wide = v4.new_code_cell(
        f"'''{'x' * 19_985}'''; password = '{SECRETS['password']}'\n'''{padded}'''"
    )
    raised = v4.new_code_cell(f"raise ValueError({text!r})")
    prose = v4.new_markdown_cell(text)
    notebook.cells = [shown, long, wide, raised, prose, *notebook.cells]
    nbformat.write(notebook, folder / f"cage {SECRETS['GitHub token']}.ipynb")


def with_borrowed_secrets(notebook: NotebookNode, folder: Path) -> None:
    """Write `notebook` with answers that are secrets, read from a file: it holds none itself."""
    for cell in notebook.cells:
        if cell.metadata.get("karnameh", {}).get("name") == "values":
            cell.source = "total = open('kaggle.txt').read()\nscaled = {'a': total}\nnumber = total"
    nbformat.write(notebook, folder / "cage.ipynb")
    (folder / "kaggle.txt").write_text("\n".join(_lines()), "utf-8")
