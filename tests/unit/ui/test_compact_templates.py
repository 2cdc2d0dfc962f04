"""Templates lose the white space that only their source needs, and no other."""

import pytest

from ismp.ui.compact_templates import compact


@pytest.mark.parametrize(
    ("source", "loaded"),
    [
        ("<ul>\n  <li>甲</li>\n  <li>\n    乙\n  </li>\n</ul>", "<ul><li>甲</li><li>乙</li></ul>"),
        ("<p>見\n  <a\n    href=\"{% url 'x' %}\"\n  >名單</a>。</p>", "<p>見 <a href=\"{% url 'x' %}\">名單</a>。</p>"),
        ("<p>共 {{ n }}\n  筆</p>", "<p>共 {{ n }} 筆</p>"),
        ('<a\n  class="b"\n  {% if c %}aria-current="true"{% endif %}\n>', '<a class="b"{% if c %} aria-current="true"{% endif %}>'),
        ("<option {% if a >= 3 %}selected{% else %}disabled{% endif %}>", "<option{% if a >= 3 %} selected{% else %} disabled{% endif %}>"),
        ('<p class="{% if a %}b c{% endif %}">', '<p class="{% if a %}b c{% endif %}">'),
        ("<button>\n  送出\n</button>\n<b>甲</b>", "<button>送出</button> <b>甲</b>"),
        ("<form>\n  {% csrf_token %}\n  <b>甲</b>\n</form>", "<form>{% csrf_token %}<b>甲</b></form>"),
        ("<pre>\n a\n</pre>\n<textarea\n>\nb</textarea>", "<pre>\n a\n</pre> <textarea\n>\nb</textarea>"),
        ("{% if a %}\n  <p>甲</p>\n{% endif %}", "{% if a %}<p>甲</p>{% endif %}"),
    ],
)  # fmt: skip
def test_only_white_space_that_no_browser_shows_goes(source, loaded):
    assert compact(source) == loaded
