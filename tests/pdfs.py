"""PDFs with text in them, as students hand them in."""

from __future__ import annotations

import io


def pdf_of(text: str) -> bytes:
    """A PDF of one page that says `text`."""
    import matplotlib.pyplot as plt

    figure = plt.figure()
    figure.text(0.1, 0.5, text)
    file = io.BytesIO()
    with plt.rc_context({"pdf.fonttype": 42}):
        figure.savefig(file, format="pdf")
    plt.close(figure)
    return file.getvalue()
