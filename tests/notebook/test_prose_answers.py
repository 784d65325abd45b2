"""What students wrote, by part, wherever their editor left it; and the text of a PDF."""

from __future__ import annotations

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.notebook import fingerprint, pdf_text, prose_of
from tests.pdfs import pdf_of


def answer(place: str, text: str):
    return new_markdown_cell(text, metadata={"karnameh": {"answer": place, "lang": "en"}})


def ours(text: str):
    return new_markdown_cell(text, metadata={"karnameh": {"lang": "en"}})


def code(name: str):
    return new_code_cell("x = 1", metadata={"karnameh": {"name": name}})


SKELETON = new_notebook(
    cells=[
        ours("# Homework"),
        ours("**a.** Why?"),
        answer("q/a", "Your answer"),
        code("numbers"),
        ours("**b.** What then?"),
        answer("q/b", "Your answer"),
    ]
)


def test_an_answer_stands_in_its_cell_and_goes_on_in_cells_put_behind_it() -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("Hello, my name is nobody"),
            ours("**a.** Why?"),
            answer("q/a", "Because.\n"),
            new_markdown_cell("And because of that."),
            new_code_cell("picture()"),
            new_markdown_cell("See the picture."),
            code("numbers"),
            new_markdown_cell("The numbers surprise me."),
            ours("**b.** What then?"),
            answer("q/b", "  Your   answer "),
        ]
    )
    prose = prose_of(notebook, [SKELETON])
    assert prose.answers == {"q/a": "Because.\n\nAnd because of that.\n\nSee the picture."}
    assert prose.other == "Hello, my name is nobody\n\nThe numbers surprise me."


def test_without_marks_the_questions_show_which_answer_comes_next() -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Homework"),
            new_markdown_cell("**b.** What then?"),
            new_markdown_cell("Then this."),
            new_markdown_cell("**a.**  Why?"),
            new_markdown_cell("Because."),
            new_markdown_cell("Your answer"),
        ]
    )
    prose = prose_of(notebook, [SKELETON])
    assert prose.answers == {"q/b": "Then this.", "q/a": "Because."}
    assert prose.other == ""


def test_metadata_of_any_kind_is_no_mark() -> None:
    cell = new_markdown_cell("text", metadata={"karnameh": ["answer"]})
    other = new_markdown_cell("more", metadata={"karnameh": {"answer": 7}})
    prose = prose_of(new_notebook(cells=[cell, other]), [SKELETON])
    assert (prose.answers, prose.other) == ({}, "text\n\nmore")


def test_a_fingerprint_is_of_the_words_and_not_of_the_spaces_around_them() -> None:
    assert fingerprint(" One \n two") == fingerprint("One\ntwo\n")
    assert fingerprint("One two") != fingerprint("One\ntwo")
    assert fingerprint("\ud800") != fingerprint("")


def test_the_text_of_a_pdf_is_read_and_what_is_none_has_none() -> None:
    written = pdf_of("The gradient vanishes")
    assert pdf_text(written) == "The gradient vanishes"
    assert pdf_text(b"%PDF-1.7\nnot really") is None
    assert pdf_text(b"") is None


def test_a_pdf_that_unpacks_to_gigabytes_costs_a_bounded_reader() -> None:
    import zlib

    bomb = zlib.compress(bytes(64 << 20), 9)
    for _ in range(2):
        bomb = zlib.compress(bomb, 9)
    head = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 9 9] >>"
    filters = b"[/FlateDecode /FlateDecode /FlateDecode]"
    stream = b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream" % (len(bomb), filters, bomb)
    data = b"%PDF-1.4\n"
    for number, body in enumerate((*head, page, stream), 1):
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    data += b"trailer << /Root 1 0 R >>\n%%EOF"
    assert pdf_text(data) is None
