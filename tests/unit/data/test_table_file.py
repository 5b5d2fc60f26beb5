"""Tables as spreadsheets and other people's programs write them."""

import pandas as pd
import pytest

from densenet_sweep.data.table_file import as_text, read, refuse_missing, texts

ROWS = "path,label\na.png,1\nb.png,NA\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ROWS.encode("utf-8-sig"),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace("\n", "\r").encode(),
        ROWS.replace(",", " , ").encode(),
        b'"path","label"\n"a.png","1"\n\n"b.png","NA"\n\n',
        b"\n\n" + ROWS.replace(",", ";").encode(),
    ],
    ids=["plain", "BOM", "semicolons", "tabs", "CRLF", "CR", "spaces", "quotes and blank lines", "blank lines first"],
)
def test_forms_of_csv_give_the_same(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    rows = read(tmp_path / "t.csv")
    assert list(rows.columns) == ["path", "label"]
    assert [[as_text(cell, None) for cell in rows[name]] for name in rows] == [["a.png", "b.png"], ["1", "NA"]]


def test_a_comma_in_a_cell_stays_where_semicolons_separate(tmp_path):
    for header in ("path;label;note", '"path";"label";"seen, said"'):
        (tmp_path / "t.csv").write_text(f"{header}\na.png;1,5;\n")
        assert read(tmp_path / "t.csv")["label"].tolist() == ["1,5"]


def test_json_may_have_a_bom_and_its_values_stay_what_they_are(tmp_path):
    content = '{"path": "a.png", "modified": 1, "date": "2020-01-02"}\n{"path": "b.png", "modified": 0, "date": null}\n'
    (tmp_path / "t.jsonl").write_bytes(content.encode("utf-8-sig"))
    rows = read(tmp_path / "t.jsonl")
    cells = {name: [as_text(cell, None) for cell in rows[name].tolist()] for name in rows}
    assert cells == {"path": ["a.png", "b.png"], "modified": ["1", "0"], "date": ["2020-01-02", ""]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ROWS.encode("utf-16"), r"cannot be read \(its text is not UTF-8, which is accepted\)$"),
        ("path,label\nä.png,1\n".encode("latin-1"), r"cannot be read \(its text is not UTF-8"),
        (b"path,label,label\na.png,1,2\n", r"has 2 columns label; one is accepted$"),
        (b"path,label\na.png,1,2\nb.png,1,2\n", r"cannot be read \(rows have more cells than the header\)$"),
        (b"path,label\na.png,1\nb.png,1,2\n", r"cannot be read \(.*Expected 2 fields in line 3, saw 3\)$"),
        (b"", r"cannot be read \(No columns to parse from file\)$"),
    ],
    ids=["UTF-16", "Latin 1", "one name twice", "all rows too long", "a row too long", "empty"],
)
def test_what_would_be_misread_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^data\.table={path}: {message}"):
        read(path)


@pytest.mark.parametrize(
    ("value", "separator", "message"),
    [
        ({"name": "a"}, "|", r"label is a dict; text, a number or a list of them is accepted$"),
        ([{"name": "a"}], "|", r"label is a dict; text"),
        ({"a"}, None, r"label is a set; text"),
        (["a|b", "c"], "|", r"label lists a\|b, in which the separator of labels is; another separator is accepted$"),
        ("a\x1b[31m", "|", r"label a\\x1b\[31m has characters that cannot be shown$"),
        (b"\xff", "|", r"label 'utf-8' codec can't decode byte"),
    ],
    ids=["object", "list of objects", "set", "separator in a part", "control character", "bytes"],
)
def test_a_cell_that_is_no_text_is_refused_with_its_row(value, separator, message):
    with pytest.raises(ValueError, match=rf"^the table: row 2: {message}"):
        texts(pd.DataFrame({"label": ["a", value]}), "label", "the table", separator)


def test_cells_are_text_of_one_form():
    cells = ["\u00e9", "e\u0301", " a  b ", b"c", 3.0, True, ["a|b", 2]]
    assert texts(pd.DataFrame({"label": cells}, dtype=object), "label", "the table") == [
        "\u00e9", "\u00e9", "a b", "c", "3", "True", "a|b|2",
    ]  # fmt: skip
    assert texts(pd.DataFrame({"path": cells[:3]}), "path", "the table", is_path=True) == ["\u00e9", "e\u0301", "a  b"]


def test_a_line_of_json_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"path": "a.png"}\n[{"path": "b.png"}]\n')
    with pytest.raises(
        ValueError, match=r"cannot be read \(line 2 is a list; an object with a value for each column is accepted\)$"
    ):
        read(path)


def test_of_many_columns_some_are_named():
    with pytest.raises(ValueError, match=r"^the table: has no column path; it has 0, 1, .*, 18, 19 and 980 more$"):
        refuse_missing(pd.DataFrame([[0] * 1000]), ["path"], "the table")
