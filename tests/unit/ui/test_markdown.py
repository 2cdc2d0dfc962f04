"""Markdown on a page: what people write is shown, what could act is not."""

from html.parser import HTMLParser

import pytest

from ismp.ui.text import markdown

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](https://evil.example/pixel.png)",
    "<iframe src='https://evil.example'></iframe>",
    "<p style='position:fixed'>x</p>",
    '<https://evil.example/"onmouseover=alert(1)>',
    "```html\n<script>alert(1)</script>\n```",
    "| a |\n|---|\n| <b onclick=x>b</b> |",
)


class Elements(HTMLParser):
    """The elements that a browser would make of a text, with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_acts_gets_through(text):
    for tag, attributes in Elements(markdown.render(text)).found:
        assert tag in {"p", "a", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
        assert set(attributes) <= {"href", "rel"}
        assert attributes.get("href", "https:").startswith("https:")


def test_a_chinese_sentence_over_two_lines_has_no_gap():
    assert markdown.render("第一行，\n第二行 API\n第三行\n**粗**") == (
        "<p>第一行，第二行 API\n第三行<strong>粗</strong></p>\n"
    )


def test_what_a_writer_needs_is_there():
    html = markdown.render(
        "# 標題\n\n**粗** 和 [連結](/faq/)\n\n1. 一\n2. 二\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |"
    )
    assert "<h2>標題</h2>" in html and "<h1" not in html
    assert "<strong>粗</strong>" in html
    assert 'href="/faq/"' in html
    assert html.count("<li>") == 2 and html.count("<td>") == 2
