"""Indicators of compromise (IOC) out of STIX: what patterns and observed objects name.

A pattern is not evaluated: each comparison with a text in it is a line (STIX 2.1 §9.5).  Whatever
cannot be taken apart is a line as a whole, so that nothing is lost.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ismp.security.intelligence.found import Ioc, moment

_COMPARISON = re.compile(
    r"""(?<![a-z0-9-])(?P<type>[a-z][a-z0-9-]*):(?P<path>[a-z_][\w.\[\]*-]*(?:\.'[^']{1,50}')?)
        \s*(?P<not>NOT\s+)?(?P<how>=|IN|LIKE|MATCHES|ISSUBSET)\s*
        (?P<value>\([^()]*\)|'(?:[^'\\]|\\.)*'|-?\d+)""",
    re.VERBOSE,
)
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|(-?\d+)")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
_ESCAPE = re.compile(r"\\(.)")
_KINDS = {
    "ipv4-addr": "IPv4",
    "ipv6-addr": "IPv6",
    "domain-name": "網域",
    "url": "URL",
    "email-addr": "電子郵件",
    "email-message": "電子郵件",
    "file": "檔名",
    "directory": "資料夾",
    "mutex": "Mutex",
    "windows-registry-key": "登錄機碼",
    "autonomous-system": "AS",
    "mac-addr": "MAC",
    "user-account": "帳號",
    "process": "程序",
    "x509-certificate": "憑證",
    "network-traffic": "連線",
    "software": "軟體",
}
_LANGUAGES = {"yara": "YARA", "snort": "Snort", "suricata": "Suricata", "sigma": "Sigma"}
_LANGUAGES |= {"pcre": "PCRE", "stix": "STIX 樣式"}
_HASHES = {"MD5": "MD5", "SHA1": "SHA-1", "SHA256": "SHA-256", "SHA512": "SHA-512"}
_HASHES |= {"SSDEEP": "SSDEEP", "TLSH": "TLSH", "SHA224": "SHA-224", "SHA384": "SHA-384"}
_VALUES = (
    *("value", "name", "key", "number", "path", "user_id", "account_login", "display_name"),
    *("command_line", "subject", "serial_number"),
)
KIND_LENGTH, VALUE_LENGTH = 60, 20_000
"""How long the kind and the value of an IOC may be."""
OBSERVABLE = frozenset(_KINDS) - {"software"} | {"artifact"}
"""Types of cyber-observable objects that are IOCs when a report names them."""


def extract(objects: Iterable[Mapping[str, Any]]) -> list[Ioc]:
    """The IOCs of some objects, each once: seen as early, and meant for detection if one is."""
    found: dict[tuple[str, str], Ioc] = {}
    objects = list(objects)
    observed = {
        ref: moment(one.get("first_observed", ""))
        for one in objects
        if one["type"] == "observed-data"
        for ref in one.get("object_refs", ())
    }
    for one in objects:
        for ioc in _of_object(one, observed):
            key = (ioc.kind, ioc.value)
            other = found.get(key)
            if other is None:
                found[key] = ioc
            else:
                first = min(filter(None, (other.first_seen, ioc.first_seen)), default="")
                found[key] = Ioc(*key, first, other.detects or ioc.detects)
    return list(found.values())


def _of_object(one: Mapping[str, Any], observed: Mapping[str, str]) -> Iterator[Ioc]:
    """`observed`: when an observable object was seen first, by its id."""
    if one.get("revoked"):
        return
    if one["type"] == "indicator":
        seen = moment(one.get("valid_from", ""))
        for kind, value in of_pattern(one.get("pattern", ""), one.get("pattern_type", "stix")):
            yield Ioc(kind, value, seen, detects=True)
    elif one["type"] == "observed-data":
        seen = moment(one.get("first_observed", ""))
        inside = one.get("objects", {})
        for part in inside.values() if isinstance(inside, Mapping) else ():
            if isinstance(part, Mapping):
                yield from (Ioc(*pair, seen, detects=False) for pair in of_observable(part))
    elif one["type"] == "x-misp-attribute" and one.get("x_misp_value"):
        kind = one.get("x_misp_type", "")[:KIND_LENGTH] or "MISP"
        yield Ioc(kind, _cut(one["x_misp_value"]), "", detects=False)
    elif one["type"] in OBSERVABLE:
        seen = observed.get(one["id"], "")
        yield from (Ioc(*pair, seen, detects=False) for pair in of_observable(one))


def of_pattern(pattern: str, language: str) -> Iterator[tuple[str, str]]:
    """(kind, value) of each comparison of a STIX pattern; of others the pattern itself."""
    is_reported = False
    if language == "stix":
        for found in _COMPARISON.finditer(pattern):
            if found["not"]:
                continue
            is_reported = True
            if found["path"].endswith(".type"):
                continue
            for text, number in _LITERAL.findall(found["value"]):
                value = _ESCAPE.sub(r"\1", text) or number
                yield _kind(found["type"], found["path"], value), _cut(value)
    if not is_reported and pattern.strip():
        yield _LANGUAGES.get(language, language[:KIND_LENGTH]), _cut(pattern)


def of_observable(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, value) of what an observable object is known by: hashes, and its first name."""
    kind = str(one.get("type", ""))
    hashes = one.get("hashes", {})
    for name, value in hashes.items() if isinstance(hashes, Mapping) else ():
        if isinstance(value, str) and value:
            yield _hash(name), _cut(value)
    for name in _VALUES:
        value = one.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            yield _KINDS.get(kind, kind[:KIND_LENGTH]), _cut(str(value))
            return


def _kind(type_: str, path: str, value: str) -> str:
    if "hashes" in path:
        return _hash(path.rsplit(".", 1)[-1])
    if path.endswith(("_ref.value", "resolves_to_refs[*].value")) and type_ != "email-message":
        return "IPv4" if _IPV4.fullmatch(value) else "IPv6" if ":" in value else "網域"
    return (
        "連接埠" if path.endswith("_port") else _KINDS.get(type_, f"{type_}:{path}"[:KIND_LENGTH])
    )


def _hash(name: str) -> str:
    plain = name.strip("'").upper().replace("-", "").replace("_", "")
    return _HASHES.get(plain, name.strip("'")[:KIND_LENGTH])


def _cut(value: str) -> str:
    return value[:VALUE_LENGTH]
