"""How a study was found, as text for a paper: Markdown, LaTeX, and the reference as BibTeX."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from densenet_sweep.report.how_found import Found, Table

_PACKAGE = Path(__file__).parent.parent

# LaTeX's own characters, and those that its usual fonts lack.
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$",
}  # fmt: skip


def markdown(found: Found) -> str:
    """Return the facts as a list and the tables, in Markdown."""
    lines = [f"### How this was found: {_plain(found.name)}", ""]
    lines += [f"- **{name}:** {_plain(text)}" for name, text in found.facts]
    for table in found.tables:
        lines += ["", f"{_plain(table.title)}:", "", _row(table.headings), _row(["---"] * len(table.headings))]
        lines += [_row([_plain(text) for text in row]) for row in table.rows]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return `text` without meaning to Markdown, as far as names and values go."""
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))


def latex(found: Found) -> str:
    """Return the facts as a description list and the tables, in LaTeX that needs no package."""
    lines = [rf"\paragraph{{How this was found: {_escaped(found.name)}}}", r"\begin{description}"]
    lines += [rf"  \item[{_escaped(name)}] {_escaped(text)}." for name, text in found.facts]
    lines += [r"\end{description}"]
    for table in found.tables:
        lines += _latex_table(table)
    return "\n".join(lines)


def _latex_table(table: Table) -> list[str]:
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in table.rows]
    return [
        "",
        rf"\noindent {_escaped(table.title)}:\par\smallskip",
        rf"\noindent\begin{{tabular}}{{{'l' * len(table.headings)}}}",
        rf"  {' & '.join(map(_escaped, table.headings))} \\ \hline",
        *(f"  {row}" for row in rows),
        r"\end{tabular}\par\medskip",
    ]


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def bibtex() -> str:
    """Return the reference that CITATION.cff describes; an empty text where it is not installed."""
    described = next((it for it in (_PACKAGE / "CITATION.cff", _PACKAGE.parent / "CITATION.cff") if it.is_file()), None)
    return "" if described is None else entry(yaml.safe_load(described.read_text(encoding="utf-8")))


def entry(described: dict[str, Any]) -> str:
    """Return a BibTeX entry of a description in the Citation File Format; what it lacks has no field."""
    title = _escaped(str(described["title"]))
    date = str(described.get("date-released", ""))
    fields = {
        "author": " and ".join(map(_author, described["authors"])),
        "title": f"{{{title}}}: {_escaped(str(described['abstract']).rstrip('.'))}" if "abstract" in described else title,
        "version": described.get("version"),
        "year": date[:4],
        "doi": described.get("doi"),
        "url": described.get("repository-code") or described.get("url"),
        "note": f"License {described['license']}" if "license" in described else None,
    }
    key = re.sub(r"\W+", "_", str(described["title"]).lower())
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@software{{{key},", *lines, "}"])


def _author(person: dict[str, Any]) -> str:
    if "family-names" in person:
        return f"{_escaped(person['family-names'])}, {_escaped(person.get('given-names', ''))}".removesuffix(", ")
    return f"{{{_escaped(person['name'])}}}"
