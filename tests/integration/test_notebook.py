"""The notebook of docs/ runs, and gives outputs of the kinds that it keeps."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "notebook.ipynb"


def result(cell: nbformat.NotebookNode) -> set[str]:
    """Return the forms of a cell's last result, which is no line of a log."""
    return set([output.data for output in cell.outputs if output.output_type != "stream"][-1])


def test_it_runs_and_gives_the_outputs_that_it_keeps(tmp_path):
    kept = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    executed = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for before, now in zip(kept, executed, strict=True):
        assert result(before) == result(now), before.source
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "outputs" / "sweeps" / "quickstart-digits").is_dir()
