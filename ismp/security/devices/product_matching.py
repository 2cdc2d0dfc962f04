"""Products against patterns: which devices fall under a list, and which an advisory speaks of.

Pure: texts in, texts out.  A city has 100,000 devices but few thousand products, so each distinct
(brand, model) is looked at once.  Judged by the brand as written, whatever the place of origin
(院授數資安字第1141000253號).  No regular expressions are made of patterns: each is looked for piece
by piece, in time linear in the text, whoever wrote it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

_SPACES = re.compile(r"[\s　\-_‐-―]+")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")

SHIPPED_VENDORS = (
    ("Microsoft", "微軟", "MS"),
    ("Apple", "蘋果", "Apple Inc."),
    ("Google", "谷歌"),
    ("Oracle", "甲骨文"),
    ("IBM", "國際商業機器"),
    ("Intel", "英特爾"),
    ("NVIDIA", "輝達"),
    ("AMD", "超微"),
    ("Dell", "戴爾", "Dell EMC"),
    ("HP", "惠普", "Hewlett-Packard", "HP Inc."),
    ("HPE", "慧與", "Hewlett Packard Enterprise", "Aruba"),
    ("Lenovo", "聯想"),
    ("ASUS", "華碩", "ASUSTeK"),
    ("Acer", "宏碁"),
    ("GIGABYTE", "技嘉"),
    ("MSI", "微星"),
    ("Cisco", "思科", "Cisco Systems"),
    ("Fortinet", "飛塔", "FortiGate"),
    ("Palo Alto Networks", "Palo Alto", "派拓網路"),
    ("Check Point", "Checkpoint"),
    ("Juniper", "瞻博", "Juniper Networks"),
    ("F5", "F5 Networks"),
    ("Citrix", "思傑"),
    ("VMware", "威睿"),
    ("Red Hat", "紅帽"),
    ("SAP", "思愛普"),
    ("Adobe", "奧多比"),
    ("Trend Micro", "趨勢科技", "趨勢"),
    ("Kaspersky", "卡巴斯基"),
    ("TP-Link", "普聯"),
    ("D-Link", "友訊"),
    ("Zyxel", "合勤", "合勤科技"),
    ("DrayTek", "居易"),
    ("EDIMAX", "訊舟"),
    ("NETGEAR", "網件"),
    ("Ubiquiti", "UBNT", "優比快"),
    ("Synology", "群暉"),
    ("QNAP", "威聯通"),
    ("Moxa", "四零四"),
    ("Advantech", "研華"),
    ("VIVOTEK", "晶睿"),
    ("GeoVision", "奇偶"),
    ("AVTECH", "陞泰"),
    ("Samsung", "三星"),
    ("Sony", "索尼"),
    ("Panasonic", "國際牌"),
    ("Canon", "佳能"),
    ("Epson", "愛普生"),
    ("Brother", "兄弟"),
    ("RICOH", "理光"),
    ("FUJIFILM", "富士軟片", "Fuji Xerox", "富士全錄"),
    ("Kyocera", "京瓷"),
    ("Fujitsu", "富士通"),
    ("Hitachi", "日立"),
    ("Toshiba", "東芝"),
    ("Siemens", "西門子"),
    ("Schneider Electric", "施耐德電機", "施耐德"),
    ("Huawei", "華為"),
    ("ZTE", "中興通訊"),
    ("Hikvision", "海康威視", "海康"),
    ("Dahua", "大華", "浙江大華"),
    ("H3C", "新華三"),
    ("Ruijie", "銳捷"),
    ("Sangfor", "深信服"),
    ("Xiaomi", "小米"),
    ("Tencent", "騰訊"),
    ("Alibaba", "阿里巴巴"),
    ("Qihoo 360", "奇虎360"),
)
"""(name, other names …): what the table of vendors starts with (ADR 25)."""


@lru_cache(100_000)
def fold(text: str) -> str:
    """As people mean it: no case, no full width, no spaces or hyphens."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text).casefold())


def match(
    products: Iterable[tuple[str, str]],
    patterns: Mapping[int, tuple[str, str]],
    *,
    literal: bool = False,
) -> dict[tuple[str, str], int]:
    """{(brand, model): number of the pattern it falls under}, for those that do.

    `patterns` are {number: (brand, model)}: `*` stands for any text unless they are `literal`, an
    empty model for every one.  A brand pattern also finds the brand inside of what was written
    (`HIKVISION 海康威視`); a pattern of Latin letters only where no other letter is glued to it, so
    that `vivo` is not found in `vivotek`.  Of several patterns the narrowest (with a model)
    stands, then the first.
    """
    ordered = sorted(patterns.items(), key=lambda item: (not item[1][1], item[0]))
    readers = [
        (
            number,
            _pieces(brand, literal=literal),
            _pieces(model, literal=literal) if model else None,
        )
        for number, (brand, model) in ordered
    ]
    found: dict[tuple[str, str], int] = {}
    for product in set(products):
        written, model = _Written.from_brand(product[0]), fold(product[1])
        for number, brand, of_model in readers:
            if written.holds(brand) and (of_model is None or _is_all(of_model, model)):
                found[product] = number
                break
    return found


def _pieces(pattern: str, *, literal: bool) -> list[str]:
    """The folded texts between the stars of a pattern."""
    return [fold(pattern)] if literal else [fold(piece) for piece in pattern.split("*")]


@dataclass(frozen=True)
class _Written:
    """A brand as written, folded, and where in it words begin and end."""

    text: str
    begins: frozenset[int]
    ends: frozenset[int]

    @classmethod
    def from_brand(cls, brand: str) -> "_Written":
        plain = unicodedata.normalize("NFKC", brand).casefold()
        words = [word for word in _SPACES.split(plain) if word]
        text = "".join(words)
        cuts = {0}
        for word in words:
            cuts.add(max(cuts) + len(word))
        plain_at = {at for at, letter in enumerate(text) if letter not in _WORD}
        begins = cuts | {at + 1 for at in plain_at}
        return cls(text, frozenset(begins), frozenset(cuts | plain_at))

    def holds(self, pieces: list[str]) -> bool:
        """Whether the pieces stand in it in this order, the outer ones as whole words."""
        first = self._find(pieces[0], 0, begins=True, ends=len(pieces) == 1)
        if first is None:
            return False
        at = first + len(pieces[0])
        for number, piece in enumerate(pieces[1:], start=2):
            found = self._find(piece, at, begins=False, ends=number == len(pieces))
            if found is None:
                return False
            at = found + len(piece)
        return True

    def _find(self, piece: str, start: int, *, begins: bool, ends: bool) -> int | None:
        """Where a piece stands first; Latin letters at its ends may need to end a word there."""
        begins = begins and piece[:1] in _WORD and piece != ""
        ends = ends and piece[-1:] in _WORD and piece != ""
        at = self.text.find(piece, start)
        while at >= 0:
            if (not begins or at in self.begins) and (not ends or at + len(piece) in self.ends):
                return at
            at = self.text.find(piece, at + 1)
        return None


def _is_all(pieces: list[str], text: str) -> bool:
    """Whether a text is the pieces in this order, with anything between them."""
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
