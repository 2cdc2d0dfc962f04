"""The figures of docs/develop/measures.md: how long, how wide, how tangled, which words.

    .venv/bin/python benchmarks/measures.py                the table
    .venv/bin/python benchmarks/measures.py --list words   what is counted, place by place
    .venv/bin/python benchmarks/measures.py --write        renew docs/develop/measures.md

`--list` takes: files functions folders cycles templates literals views actions words prose.
Reads the checkout only; the addresses are asked from Django, in a home that is thrown away.
"""

import argparse
import ast
import io
import os
import re
import statistics
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from house_words import DEFINED, MODULES, OF, PARTS, PROSE, RIDDLE, WHOLE

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/develop/measures.md"
WIDTH = 100
FILES_IN_A_FOLDER = 10


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        check=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


@cache
def sources() -> dict[Path, ast.Module]:
    """The package's own modules, without migrations."""
    found = (path for path in tracked("ismp/*.py") if "migrations" not in path.parts)
    return {path: ast.parse(path.read_text("utf-8")) for path in found}


def place(path: Path, line: int | None = None) -> str:
    return f"{path.relative_to(ROOT)}{'' if line is None else f':{line}'}"


def spread(sizes: list[int]) -> str:
    """Median, 90th percentile and largest."""
    ordered = sorted(sizes)
    return f"{statistics.median(ordered):.0f} · {ordered[int(len(ordered) * 0.9)]} · {ordered[-1]}"


# --- Length -------------------------------------------------------------------------------


def files() -> list[tuple[int, str]]:
    sizes = [(len(path.read_text("utf-8").splitlines()), place(path)) for path in sources()]
    return sorted((size for size in sizes if size[0]), reverse=True)


def functions() -> list[tuple[int, str]]:
    found = []
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append((lines, f"{place(path, node.lineno)} {node.name}"))
    return sorted(found, reverse=True)


def folders() -> list[tuple[int, str]]:
    """Modules that lie flat in one folder; `__init__` does not count."""
    paths = [*sources(), *tracked("tests/*.py")]
    counted = Counter(path.parent for path in paths if path.name != "__init__.py")
    return sorted(((count, place(folder)) for folder, count in counted.items()), reverse=True)


# --- Imports ------------------------------------------------------------------------------


def cycles() -> list[tuple[int, str]]:
    """Sets of modules that reach each other by imports: those of functions and of
    `if TYPE_CHECKING` count too."""
    import grimp

    graph = grimp.build_graph("ismp", cache_dir=None)
    rings = _rings({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    return sorted(((len(ring), " ".join(sorted(ring))) for ring in rings), reverse=True)


def _rings(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            ring = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(ring) > 1:
                found.append(ring)

    sys.setrecursionlimit(10_000)
    for name in graph:
        if name not in index:
            visit(name)
    return found


# --- Templates ----------------------------------------------------------------------------


def templates() -> list[tuple[int, str]]:
    """Lines of more than WIDTH characters, by width."""
    found = [
        (len(line), place(path, number))
        for path in tracked("ismp/*.html")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > WIDTH
    ]
    return sorted(found, reverse=True)


def literals() -> list[tuple[int, str]]:
    """Lengths of space and type that a style sheet writes as a number instead of by its token."""
    found = []
    for path in tracked("*.css"):
        if path.name == "tokens.css":
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            values = re.findall(r"(?<![\w-])(?:margin|padding|gap|font)[\w-]*: ([^;]+)", line)
            count = len(re.findall(r"(?<![\w.-])[\d.]+(?:px|rem)", " ".join(values)))
            if count:
                found.append((count, f"{path.relative_to(ROOT)}:{number}"))
    return found


# --- Where views and actions stand --------------------------------------------------------


@cache
def all_views() -> set[tuple[str, str]]:
    """(module, name) of each view of ours that an address leads to."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"ISMP_HOME": home, "DJANGO_SETTINGS_MODULE": _settings()}
        sys.path.insert(0, str(ROOT))
        import django
        from django.urls import get_resolver

        django.setup()
        found = set(_callbacks(get_resolver()))
    return {one for one in found if one[0].startswith("ismp.")}


def _settings() -> str:
    return "ismp.config.settings"


def _callbacks(resolver: object) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:  # type: ignore[attr-defined]
        if hasattr(pattern, "url_patterns"):
            yield from _callbacks(pattern)
        else:
            view = getattr(pattern.callback, "view_class", pattern.callback)
            yield view.__module__, view.__qualname__


def views() -> list[tuple[int, str]]:
    """Views that stand in no `views` module."""
    return _elsewhere(all_views(), "views")


@cache
def all_actions() -> set[tuple[str, str]]:
    """(module, name) of each public function whose last parameter is `by`: who does it."""
    found = set()
    for path, tree in sources().items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            named = [*node.args.args, *node.args.kwonlyargs]
            if named and named[-1].arg == "by":
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.add((name, node.name))
    return found


def actions() -> list[tuple[int, str]]:
    """Actions that stand in no `actions` module."""
    return _elsewhere(all_actions(), "actions")


def _elsewhere(found: set[tuple[str, str]], room: str) -> list[tuple[int, str]]:
    return [
        (1, f"{module} {name}") for module, name in sorted(found) if room not in module.split(".")
    ]


# --- Words --------------------------------------------------------------------------------


def words() -> list[tuple[int, str]]:
    """Old names in code, templates and style sheets: how often, where it begins, what to say."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in tracked("ismp/*.py", "tests/*.py", "benchmarks/*.py"):
        if path != Path(__file__).resolve():
            for word, line in _old_in_code(path):
                places[word].append(place(path, line))
    for path in tracked("ismp/*.html", "ismp/*.css"):
        for word, line in _old_in_looks(path):
            places[word].append(place(path, line))
    return sorted(
        ((len(found), f"{word} → {say}: {_first(found)}") for (word, say), found in places.items()),
        reverse=True,
    )


def _old_in_code(path: Path) -> Iterator[tuple[tuple[str, str], int | None]]:
    for name in {path.stem, *path.relative_to(ROOT).parts[1:-1]} & MODULES.keys():
        yield (f"{name} (file)", MODULES[name]), None
    text = path.read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            for word in _old(token.string):
                yield word, token.start[0]
    for node in ast.walk(ast.parse(text)):
        if OF in _bound(node):
            yield (OF, "a noun"), getattr(node, "lineno", None)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in DEFINED:
            yield (f"def {node.name}", DEFINED[node.name]), node.lineno


def _old_in_looks(path: Path) -> Iterator[tuple[tuple[str, str], int]]:
    """Names within the tags and class attributes of a template, and selectors of a style sheet."""
    of_templates = r"\{[{%](.*?)[%}]\}|class=\"([^\"]*)\""
    pattern = of_templates if path.suffix == ".html" else r"\.([\w-]+)"
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        for found in re.finditer(pattern, line):
            inner = re.sub(r"\"[^\"]*\"|'[^']*'", "", " ".join(filter(None, found.groups())))
            for name in re.findall(r"[A-Za-z_]\w*", inner):
                for word in _old(name):
                    yield word, number


def _old(name: str) -> list[tuple[str, str]]:
    if name in WHOLE:
        return [(name, WHOLE[name])]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    parts = words.replace("effective_dated", "").split("_")
    return [(part, say) for part, say in PARTS.items() if part in parts or f"{part}s" in parts]


def _bound(node: ast.AST) -> set[str]:
    """The names that this node gives to something."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.arg):
        return {node.arg}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    return set()


def _first(found: list[str]) -> str:
    files = list(dict.fromkeys(one.split(":")[0] for one in found))
    rest = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(files[:3]) + rest


def prose() -> list[tuple[int, str]]:
    """Comments, docstrings and documents that say `deed` or `she`, and docstrings that begin with
    What, Whose or So many."""
    found: Counter[str] = Counter()
    for path in tracked("ismp/*.py", "tests/*.py", "benchmarks/*.py"):
        if path == Path(__file__).resolve():
            continue
        text = path.read_text("utf-8")
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            is_text = token.type == tokenize.COMMENT or token.string.lstrip("rbf").startswith('"""')
            if is_text and PROSE.search(token.string):
                found[place(path, token.start[0])] += 1
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and RIDDLE.match(
                ast.get_docstring(node) or ""
            ):
                found[place(path, getattr(node, "lineno", 1))] += 1
    for path in tracked("docs/*.md", "*.md"):
        if path not in (PAGE, ROOT / "docs/glossary.md"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if PROSE.search(line):
                    found[place(path, number)] += 1
    return sorted(((count, where) for where, count in found.items()), key=lambda one: one[1])


# --- The table ----------------------------------------------------------------------------


def table() -> str:
    rows, flat, wide = files(), folders(), templates()
    inside = [one for one in flat if one[1].startswith("ismp")]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in tracked("ismp/*.html"))
    rings, named = cycles(), words()
    full = sum(count > FILES_IN_A_FOLDER for count, _ in flat)
    wider = sum(width > 120 for width, _ in wide)
    figures = [
        ("lines of a file (median · p90 · largest)", spread([count for count, _ in rows])),
        ("lines of a function", spread([count for count, _ in functions()])),
        ("modules of a folder of ismp", spread([count for count, _ in inside])),
        (f"folders with more than {FILES_IN_A_FOLDER} modules (tests too)", str(full)),
        ("cycles of imports, file by file (modules in them)", f"{len(rings)} ({_total(rings)})"),
        (f"template lines wider than {WIDTH} · 120", _shares(lines, len(wide), wider)),
        ("widest template line", str(wide[0][0] if wide else 0)),
        ("lengths of space and type outside tokens.css", str(sum(n for n, _ in literals()))),
        ("views in a `views` module", _share(views(), all_views())),
        ("actions in an `actions` module", _share(actions(), all_actions())),
        ("old words in code, templates, CSS (names)", f"{_total(named)} ({len(named)})"),
        ("prose: subjectless or personified sentences", str(_total(prose()))),
    ]
    return "\n".join(
        ["| measure | now |", "|---|---|", *(f"| {name} | {now} |" for name, now in figures)]
    )


def _total(found: list[tuple[int, str]]) -> int:
    return sum(count for count, _ in found)


def _shares(lines: int, *wide: int) -> str:
    return " · ".join(f"{100 * count / lines:.1f} %" for count in wide)


def _share(elsewhere: list[tuple[int, str]], every: set[tuple[str, str]]) -> str:
    there = len(every) - len(elsewhere)
    return f"{there} of {len(every)} ({100 * there / len(every):.0f} %)"


LISTS: dict[str, Callable[[], list[tuple[int, str]]]] = {
    one.__name__: one
    for one in (
        files,
        functions,
        folders,
        cycles,
        templates,
        literals,
        views,
        actions,
        words,
        prose,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", choices=LISTS, dest="what")
    parser.add_argument("--write", action="store_true", help=f"renew the table of {place(PAGE)}")
    options = parser.parse_args()
    if options.what:
        for count, text in LISTS[options.what]():
            print(f"{count:6}  {text}")
        return
    measured = table()
    print(measured)
    if options.write:
        before = PAGE.read_text("utf-8")
        now = f"<!-- measured -->\n{measured}\n<!-- /measured -->"
        PAGE.write_text(
            re.sub(r"<!-- measured -->.*<!-- /measured -->", lambda _: now, before, flags=re.S),
            "utf-8",
        )


if __name__ == "__main__":
    main()
