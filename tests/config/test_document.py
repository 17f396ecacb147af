"""Every complaint about a file can name its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.document import read_document
from agent.errors import ConfigError


def _write(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_lines_of_tables_keys_and_dotted_keys(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        '# head\n[coze] # c\nbot_id = "1"\n\n[ "audio" ]\n  "input" = ""\n'
        "[a]\nb.c = 1\n[d.e]\nf=1\n",
    )
    document = read_document(path)
    assert document.where("coze") == f"{path}:2"
    assert document.where("coze.bot_id") == f"{path}:3"
    assert document.where("audio.input") == f"{path}:6"
    assert document.where("a.b.c") == f"{path}:8"
    assert document.where("d.e.f") == f"{path}:10"


def test_an_unknown_name_falls_back_to_its_table_then_to_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "a = { b = 1 }\n")
    document = read_document(path)
    assert document.where("a.b") == f"{path}:1"
    assert document.where("zzz") == str(path)


def test_text_inside_multi_line_strings_is_no_key(tmp_path: Path) -> None:
    path = _write(tmp_path, 'x = """\n[coze]\nbot_id = 1\n"""\n[coze]\nbot_id = "2"\n')
    document = read_document(path)
    assert document.where("coze.bot_id") == f"{path}:6"


def test_byte_order_mark_and_dos_line_ends_are_let_pass(tmp_path: Path) -> None:
    path = _write(tmp_path, b'\xef\xbb\xbf[coze]\r\nbot_id = "1"\r\n')
    document = read_document(path)
    assert document.data == {"coze": {"bot_id": "1"}}
    assert document.where("coze.bot_id") == f"{path}:2"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[coze]\nbot_id = \n", ":2:10: not valid TOML"),
        ("[coze\n", ":1:6: not valid TOML"),
        ("a = 1\na = 2\n", ":2:"),
        ('a = "unfinished', ":1:"),
        (b"a = 1\nb = '\xff'\n", ":2: the file is not UTF-8 text"),
    ],
)
def test_a_broken_file_says_line_and_column(
    tmp_path: Path, content: str | bytes, place: str
) -> None:
    path = _write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    assert f"{path}{place}" in str(caught.value)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        read_document(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        read_document(tmp_path)
