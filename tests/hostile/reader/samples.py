"""Hand-ins that aim at whoever reads the report: each with what its author hopes for.

Scripts announce themselves in the title of the page, and whatever asks for something asks the
address ``@HOME@``, where the test listens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nbformat import NotebookNode, v4

MINE = "document.title='MINE';window.mine=1;new Image().src='@HOME@/script';alert('MINE')"
IMG = f'<img src=x onerror="{MINE}">'
TAGS = (
    f'<script>{MINE}</script>{IMG}<svg onload="{MINE}"></svg><body onload="{MINE}">'
    f"<details open ontoggle=\"{MINE}\"><iframe srcdoc='<script>parent.mine=1</script>'></iframe>"
    "<object data='@HOME@/object'></object><embed src='@HOME@/embed'>"
    "<a href=\"javascript:document.title='MINE'\">click</a><base href='@HOME@/'>"
    "<meta http-equiv=refresh content='0;url=@HOME@/refresh'><link rel=stylesheet href='@HOME@/css'>"
    "<form action='@HOME@/form'><input name=a autofocus onfocus=\"document.title='MINE'\">"
)
CLOSERS = (
    "</code></pre></div></details></style></title></textarea></script></svg></noscript>--></bdi>"
)
HIDING = (
    "<style>.badge,.mark,.score,.points{display:none!important}"
    ".badge::after{content:'Passed'}*{background:url(@HOME@/css-image)}"
    "@import url(@HOME@/import);.big{font-size:0}.big::after{content:'100'}</style>"
    "<div style='position:fixed;inset:0;z-index:9;background:#fff'>100 of 100</div>"
)
OPEN_ENDS = "<!-- <style> <script> <textarea> <title> <xmp> <plaintext> <noscript> <![CDATA["
BIDI = "total = 'ok' \u202e \u2066# 01 fo 01 :dessaP\u2069 \u2066if passed\u2069\u200b\u2060\u00ad\u061c"
TOWER = "V" + "\u0336\u0489\u030d" * 300


class Sample(NamedTuple):
    """One attack: cells before the honest ones, and how the hand-in is called.

    Attributes
    ----------
    cells
        Code, or whole cells.
    values, network
        What replaces these honest cells, if anything.
    student, file
        Name of the hand-in's folder and of its notebook; by default those of anybody.
    metadata
        Of the notebook.
    """

    cells: tuple[str | NotebookNode, ...] = ()
    values: str | None = None
    network: str | None = None
    student: str | None = None
    file: str = "cage.ipynb"
    metadata: dict[str, Any] | None = None


def shown(call: str) -> Sample:
    """A cell that displays something."""
    return Sample((f"from IPython.display import *\ndisplay({call})",))


SAMPLES: dict[str, Sample] = {
    # -- markup where markup may be
    "html": shown(f"HTML({CLOSERS + TAGS!r})"),
    "svg": shown(
        f'SVG(\'\'\'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'onload="{MINE}"><script>{MINE}</script><image xlink:href="@HOME@/svg" href="@HOME@/svg"/>'
        '<use href="@HOME@/use#a"/><foreignObject><body xmlns="http://www.w3.org/1999/xhtml">'
        "<iframe src=\"@HOME@/frame\"/></body></foreignObject><style>@import url(@HOME@/s);</style></svg>''')"
    ),
    "markdown": shown(
        f"Markdown({'[x](javascript:alert(1)) ![t](@HOME@/md.png) <javascript:alert(1)> ' + TAGS!r})"
    ),
    "latex": shown(
        r"Latex(r'$\href{javascript:alert(1)}{x} \includegraphics{@HOME@/tex} "
        r"\htmlData{onclick=alert(1)}{x} \class{badge passed}{100} \unicode{x3c}script\unicode{x3e}$')"
    ),
    "javascript": shown(f'Javascript("""{MINE}""")'),
    "pictures-that-are-none": Sample(
        (
            (
                "from IPython.display import display\n"
                f"for mime in ('image/png', 'image/jpeg', 'image/svg+xml', 'image/png\" onerror=\"mine=1'):\n"
                f"    display({{mime: {'<svg onload=mine=1>' + IMG!r}, 'text/plain': {IMG!r}}}, raw=True)"
            ),
        )
    ),
    "remote-pictures": shown("Image(url='@HOME@/tracker.png'), IFrame('@HOME@/iframe', 9, 9)"),
    "rare-types": Sample(
        (
            (
                "from IPython.display import display\n"
                "for mime in ('application/vnd.jupyter.widget-view+json', 'application/xhtml+xml', 'text/vnd.mermaid',\n"
                "             'application/pdf', 'application/geo+json', 'application/javascript', 'text/html; a=b'):\n"
                f"    display({{mime: {TAGS!r}}}, raw=True)"
            ),
        )
    ),
    # -- markup where only text is expected
    "printed": Sample(
        (f"print({CLOSERS + TAGS!r})\nimport sys\nprint({TAGS!r}, file=sys.stderr)",)
    ),
    "source": Sample((f"# {CLOSERS}{TAGS}\nx = {TAGS!r}",)),
    "prose": Sample(
        (v4.new_markdown_cell(f"{TAGS}\n[x](javascript:alert(1)) ![t](@HOME@/prose)"),)
    ),
    "exception": Sample((f"raise type({IMG!r}, (Exception,), {{}})({TAGS!r})",)),
    "answers": Sample(values=f"total = {TAGS!r}\nscaled = [{IMG!r}]\nnumber = {IMG!r}"),
    "representation": Sample(
        values=f"class A:\n    def __repr__(self): return {TAGS!r}\n"
        f"A.__name__ = A.__qualname__ = A.__module__ = {IMG!r}\ntotal = scaled = number = A()"
    ),
    "keys": Sample(
        values=f"total = {{{IMG!r}: {TAGS!r}}}\nscaled = {{({IMG!r},): 1}}\nnumber = total"
    ),
    "layers": Sample(
        network=f"""class Odd(nn.Module):
    pass
Odd.__name__ = Odd.__qualname__ = {IMG!r}
class Net(nn.Module):
    def __init__(self, hidden=4):
        super().__init__()
        self.first, self.second = nn.Linear(3, hidden), nn.Linear(hidden, 2)
        self.add_module({IMG.replace(".", "")!r}, Odd())
    def forward(self, x):
        return self.second(torch.relu(self.first(x)))
Net.__name__ = {IMG!r}"""
    ),
    "template": Sample(("print('{{7*7}}{% include \"/etc/passwd\" %}${7*7}<%= 7*7 %>')",)),
    "kernel": Sample(metadata={"kernelspec": {"name": IMG, "display_name": TAGS, "language": IMG}}),
    "cell-ids": Sample(
        (
            v4.new_code_cell(
                "y = 1", id="en-numbers", metadata={"name": TAGS, "tags": [IMG], "id": "to-fa"}
            ),
        )
    ),
    # -- verdicts hidden, redrawn or imitated
    "style": Sample(
        (
            f"print({CLOSERS + HIDING!r})\nfrom IPython.display import HTML, display\ndisplay(HTML({HIDING!r}))",
            f"# {HIDING}",
        )
    ),
    "open-ends": Sample((f"# {OPEN_ENDS}\nprint({OPEN_ENDS!r})\nraise ValueError({OPEN_ENDS!r})",)),
    "imitation": Sample(
        (
            (
                "print('\\x1b[32m✓ passed 10 of 10\\x1b[0m')\n"
                'print(\'<span class="badge passed"><svg class="mark passed"></svg>Passed</span>\')'
            ),
        )
    ),
    "bidi": Sample(
        (f"x = {BIDI!r}\nprint(x)\n# {BIDI}\nraise ValueError(x)",),
        values=f"total = {BIDI!r}\nscaled = number = total",
    ),
    "towers": Sample(
        (f"print({TOWER!r})\n# {TOWER}",), values=f"total = {TOWER!r}\nscaled = number = total"
    ),
    "terminal": Sample(
        (
            (
                r"print('\x1b]0;MINE\x07\x1b[2J\x1b[999;1H\x1b]8;;javascript:alert(1)\x1b\\x\x1b]8;;\x1b\\"
                r"\x1bP1$r\x1b\\\x9b2J\x08\x08\r' + '\x1b[31' * 99)"
            ),
            r"raise ValueError('\x1b[2J\x1b]52;c;bWluZQ==\x07[bold]x[/bold][link=file:///]')",
        ),
        values=r"total = '\x1b]0;MINE\x07[red]'" + "\nscaled = number = total",
    ),
    # -- names
    "student-script": Sample(student="<img src=x onerror=alert(1)>\"'`{{7*7}}"),
    "student-link": Sample(student="javascript:document.title='MINE'"),
    "student-formula": Sample(student='=HYPERLINK("evil.example","x")'),
    "student-formula-of-dde": Sample(student="@SUM(1+1)*cmd|' C'!A0"),
    "student-markup": Sample(student="[red]x[blink]"),
    "student-bidi": Sample(student="\u202exslx.eman\u2066"),
    "student-tower": Sample(student=TOWER[:60]),
    "student-escape": Sample(student="\x1b]0;MINE\x07\x1b[2J\r\n"),
    "file-script": Sample(file="\"><img src=x onerror=alert(1)>'{{7*7}}.ipynb"),
    "file-escape": Sample(file="\x1b[2J\u202e[red]=1+1.ipynb"),
}
