"""Papers as files: each format has all words, and hostile ones stay words."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import docx
import pytest
from markdown_it import MarkdownIt

from monitor.legal.errors import PaperError
from monitor.legal.formats import FORMATS, to_docx, to_html, to_markdown, to_pdf, write_paper
from monitor.legal.paper import Heading, Items, Paper, Question, Table, Text
from tests.helpers.reading_pdfs import texts

HOSTILE = (
    '<script>alert("x")</script> | **b** [l](javascript:x) `c` {{ 7 * 7 }} \x00\u202e\ud800 שלום'
)
SHOWN = (
    '<script>alert("x")</script> | **b** [l](javascript:x) `c` {{ 7 * 7 }} \\x00\\u202e\\ud800 שלום'
)


def paper(word="plain", language="en"):
    return Paper(
        language,
        f"Title {word}",
        "About it",
        (
            Heading("First"),
            Text(f"A sentence: {word}"),
            Heading("Part", 2),
            Items(("one", f"two {word}")),
            Table(("Fact", "Value"), (("name", word),)),
            Question("Why?"),
            Question("When?"),
        ),
    )


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def words_of_docx(content):
    document = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [paragraph.text for paragraph in document.paragraphs] + cells


def test_a_word_document_has_it_all():
    content = to_docx(paper())
    document = docx.Document(io.BytesIO(content))
    words = words_of_docx(content)
    assert document.core_properties.title == "Title plain"
    assert words[:4] == ["Title plain", "About it", "First", "A sentence: plain"]
    assert {"one", "two plain", "Fact", "Value", "name", "plain"} <= set(words)
    assert "To answer 1: Why?" in words
    assert "To answer 2: When?" in words


def test_labels_are_in_the_language_of_the_paper():
    assert "Zu beantworten 1: Why?" in words_of_docx(to_docx(paper(language="de")))
    assert "**Zu beantworten 2:** When?" in to_markdown(paper(language="de")).decode()


def test_word_checks_the_spelling_of_the_paper_s_language():
    document = docx.Document(io.BytesIO(to_docx(paper(language="de"))))
    [spelling] = document.styles.element.xpath("//w:rPrDefault//w:lang/@w:val")
    assert spelling == "de-DE"


def test_hostile_words_in_word():
    words = words_of_docx(to_docx(paper(HOSTILE)))
    assert f"A sentence: {SHOWN}" in words
    assert SHOWN in words


def test_hostile_words_in_html():
    read = Words()
    content = to_html(paper(HOSTILE)).decode()
    read.feed(content)
    assert "script" not in read.tags
    assert read.text.count(SHOWN) == 5  # title twice, sentence, item, cell
    assert "http://" not in content
    assert "https://" not in content


def test_hostile_words_in_markdown():
    read = Words()
    read.feed(MarkdownIt("commonmark").enable("table").render(to_markdown(paper(HOSTILE)).decode()))
    assert read.text.count(SHOWN) == 4
    assert not {"script", "a", "code"} & set(read.tags)
    assert read.tags.count("td") == 2


@pytest.mark.usefixtures("weasyprint")
def test_hostile_words_in_a_pdf():
    text = " ".join(texts(to_pdf(paper(HOSTILE))))
    assert 'A sentence: <script>alert("x")</script> | **b** [l](javascript:x)' in text
    assert "To answer 1: Why?" in text


def test_the_ending_chooses_the_format(tmp_path):
    for ending in ("docx", "md", "html"):
        path = tmp_path / f"paper.{ending.upper()}"
        write_paper(paper(), path)
        assert path.read_bytes()
    with pytest.raises(PaperError, match=r"one that ends in \.docx, \.html, \.md, \.pdf, received"):
        write_paper(paper(), tmp_path / "paper.odt")
    assert set(FORMATS) == {"docx", "html", "md", "pdf"}


def test_what_people_have_edited_is_not_replaced(tmp_path):
    path = tmp_path / "paper.md"
    path.write_text("answers")
    with pytest.raises(PaperError, match="replace it with --force"):
        write_paper(paper(), path)
    assert path.read_text() == "answers"
    write_paper(paper(), path, replace=True)
    assert path.read_text().startswith("# Title plain")
