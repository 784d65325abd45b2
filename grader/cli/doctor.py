"""``grader doctor``: say whether this machine is fit to grade."""

from __future__ import annotations

import typer

from grader.cli.console import BELOW, PASSED, results


def doctor() -> None:
    """Say which layers of the cage, limits and packages this machine has.

    Exit codes: 0 fit to grade; 1 not.
    """
    from grader.kernel import doctor as machine

    layers = machine.examine()
    for layer in layers:
        mark = "✓" if layer.present else "✗" if layer.required else "–"
        style = "green" if layer.present else "red" if layer.required else "yellow"
        results.print(f"{mark} {layer.name}: {layer.detail}", style=style, markup=False)
        if not layer.present and layer.remedy:
            results.print(f"    {layer.remedy}", markup=False)
    raise typer.Exit(PASSED if machine.fit(layers) else BELOW)
