"""Traffic Light Protocol 1 and 2.0 in STIX: by well-known id, name, definition and extension.

Sources: STIX 2.1 §7.2.1.4; OASIS' extension definition TLP 2.0; OpenCTI's id of AMBER+STRICT.  What
a marking means is looked for, never guessed: one that cannot be read is `UNKNOWN`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

LEVELS = ("clear", "green", "amber", "amber+strict", "red")
"""From open to closed."""
UNKNOWN = "unknown"
EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_2 = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_TLP_1 = {
    "clear": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
_OPENCTI = {"amber+strict": "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"}
BY_ID = {id_: level for table in (TLP_2, _TLP_1, _OPENCTI) for level, id_ in table.items()}
_WORD = re.compile(r"tlp[ :_-]{1,2}(white|clear|green|amber[ +_-]?strict|amber|red)", re.I)
_BARE = re.compile(r"(?:tlp[ :_-]{1,2})?(white|clear|green|amber[ +_-]?strict|amber|red)", re.I)


def marking(level: str) -> dict[str, Any]:
    """The marking definition of TLP 2.0, as OASIS publishes it."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_2[level],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{level.upper()}",
        "extensions": {EXTENSION: {"extension_type": "property-extension", "tlp_2_0": level}},
    }


def strictest(objects: Iterable[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the strictest of all markings of some objects and of their parts.

    `known` are the objects of the file by id.  `UNKNOWN` unless the strictest level is red anyway,
    when a marking cannot be read; `clear` when nothing is marked.
    """
    levels = {level for one in objects for level in _levels_of(one, known)}
    if UNKNOWN in levels and "red" not in levels:
        return UNKNOWN
    return max(levels - {UNKNOWN}, key=LEVELS.index, default="clear")


def _levels_of(one: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    refs = [*one.get("object_marking_refs", ())]
    refs += [
        part["marking_ref"] for part in one.get("granular_markings", ()) if "marking_ref" in part
    ]
    for ref in refs:
        if level := level_of(ref, known.get(ref)):
            yield level
    for label in one.get("labels", ()):
        if found := _WORD.fullmatch(label.strip()):
            yield _level(found)


def level_of(id_: str, definition: Mapping[str, Any] | None) -> str:
    """The level of a marking by its id and by what its definition says, the stricter of both.

    Empty for one that says something else than TLP (a copyright), UNKNOWN where nobody knows.
    """
    found = {BY_ID[id_]} if id_ in BY_ID else set()
    if definition is None:
        return found.pop() if found else UNKNOWN
    extension = definition.get("extensions", {}).get(EXTENSION, {})
    about = definition.get("definition", {})
    kind = definition.get("definition_type", "").casefold()
    said = [
        (_WORD, definition.get("name", "")),
        (_WORD, definition.get("x_opencti_definition", "")),
        (_WORD, about.get("statement", "") if isinstance(about, Mapping) else ""),
        (_BARE, about.get("tlp", "") if isinstance(about, Mapping) else ""),
        (_BARE, extension.get("tlp_2_0", "") if isinstance(extension, Mapping) else ""),
    ]
    for shape, word in said:
        if isinstance(word, str) and (match := shape.fullmatch(word.strip())):
            found.add(_level(match))
    if found:
        return max(found, key=LEVELS.index)
    return "" if kind == "statement" else UNKNOWN


def _level(found: re.Match[str]) -> str:
    word = found[1].casefold()
    if word.endswith("strict"):
        return "amber+strict"
    return "clear" if word == "white" else word
