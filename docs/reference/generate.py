"""Write the pages of docs/reference from the code, which is the one place of what they say.

    .venv/bin/python docs/reference/generate.py

A test holds each page against the code: what is added to the code and not here fails it.
"""

import argparse
import ast
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
_READERS = {"_number", "_flag", "_one_of", "_words", "_origins", "_networks", "_database"}
_KINDS = {
    "_number": "whole number",
    "_flag": "1 or 0",
    "_words": "words, separated by commas",
    "_origins": "addresses, separated by commas",
    "_networks": "addresses or networks, separated by commas",
    "_database": "address of a database",
}
_DEFAULTS = {
    "ISMP_HOME": "`~/ismp-home`",
    "DATABASE_URL": "SQLite in `ISMP_HOME`",
    "ISMP_LOG_LEVEL": "`WARNING`; `INFO` with `json`",
}
_TURNED = (
    "<!-- Made by docs/reference/generate.py; change the code it names, and run that again. -->"
)


# --- settings ------------------------------------------------------------------------------


def settings() -> str:
    rows = [
        f"| `{name}` | {kind} | {default} | {says} |" for name, kind, default, says in _settings()
    ]
    return _page(
        "Settings",
        "All from the environment, each with a safe default; a value that cannot be used is named\n"
        "when a command starts. How they play together: [operations](../operations.md).",
        ["| setting | kind | default | what it does |", "|---|---|---|---|", *sorted(rows)],
    )


def _settings() -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, default, description); the description is the docstring after the assignment."""
    tree = ast.parse(_settings_file().read_text("utf-8"))
    seen = set()
    for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.If))):
        for place, node in enumerate(body):
            if not isinstance(node, ast.Assign):
                continue
            after = body[place + 1] if place + 1 < len(body) else None
            says = _docstring(after)
            for name, kind, default in _read(node.value):
                if name not in seen:
                    seen.add(name)
                    yield name, kind, _DEFAULTS.get(name, default), says
    home = (
        "The only folder that the platform writes to: database, keys, files. Made on the first run,"
        " closed to all but its owner."
    )
    yield "ISMP_HOME", "folder", _DEFAULTS["ISMP_HOME"], home


def _settings_file() -> Path:
    inner = ROOT / "ismp/config/settings.py"
    return inner if inner.exists() else ROOT / "ismp/config/settings.py"


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _read(value: ast.expr) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(value):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called, first = ast.unparse(node.func), node.args[0]
        is_setting = called in _READERS or called == "os.environ.get"
        if is_setting and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value, _kind(called, node), _default(node)


def _kind(called: str, node: ast.Call) -> str:
    if called == "_one_of":
        choices = [arg.value for arg in node.args[2:] if isinstance(arg, ast.Constant)]
        return " or ".join(f"`{choice}`" for choice in choices) or "a level of Python's logging"
    return _KINDS.get(called, "text")


def _default(node: ast.Call) -> str:
    if len(node.args) < 2:
        return "–"
    try:
        value = eval(ast.unparse(node.args[1]), {"__builtins__": {}})  # noqa: S307 (20 * 60)
    except NameError:
        return "–"
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return f"`{value}`" if value != "" else "–"


# --- commands ------------------------------------------------------------------------------


def commands() -> str:
    from django.core.management import get_commands, load_command_class

    lines = []
    for name, app in sorted(get_commands().items()):
        if app.startswith("ismp."):
            parser = load_command_class(app, name).create_parser("ismp", name)
            lines += [f"## `ismp {name}`", "", parser.description or "", ""]
            options = [row for action in parser._actions if (row := _option(action))]
            if options:
                lines += ["| argument | default | what it does |", "|---|---|---|", *options, ""]
    return _page(
        "Commands",
        "`ismp <command>`, or `python manage.py <command>` in a checkout; `--help` says the same.\n"
        "Django's own (`migrate`, `changepassword`, `shell`, …) are there too. Their code is in\n"
        "`management/commands/` of each app.",
        lines[:-1],
    )


def _option(action: argparse.Action) -> str | None:
    django = {"version", "verbosity", "settings", "pythonpath", "traceback", "no_color"}
    if action.dest in django | {"help", "force_color", "skip_checks"}:
        return None
    name = ", ".join(action.option_strings) or action.dest
    if action.choices:
        name += f" {{{', '.join(map(str, action.choices))}}}"
    default = "–" if action.default in (None, False) else f"`{action.default}`"
    if not action.option_strings or action.required:
        default = "must be given"
    return f"| `{name}` | {default} | {action.help or ''} |"


# --- audit verbs, reason codes, roles ----------------------------------------------------------


def audit_verbs() -> str:
    from django.apps import apps

    from ismp.audit.verbs import Verb

    declared = [
        (one, app.name)
        for app in apps.get_app_configs()
        for one in vars(sys.modules.get(f"{app.name}.verbs", app)).values()
        if isinstance(one, Verb)
    ]
    return _page(
        "Verbs of the audit trail",
        "What an event of 稽核軌跡 may say that somebody did, recorded by `trail.record(verb, …)` in the\n"
        "action's own transaction. Each is declared in the `verbs.py` of its app, with whose 達標狀況 and\n"
        "whose number of things that wait in 機關審核作業 are read anew after it.",
        [
            "| verb | 稽核軌跡 shows | declared in | boards | reviews |",
            "|---|---|---|---|---|",
            *(
                f"| `{one.name}` | {one.label} | `{app}` | {one.boards.value} | {one.reviews.value} |"
                for one, app in sorted(declared, key=lambda pair: pair[0].name)
            ),
        ],
    )


def reason_codes() -> str:
    from ismp.imports import kinds

    lines: list[str] = []
    seen: list[object] = []
    for kind in kinds.all_kinds():
        if not kind.reasons or kind.reasons in seen:
            continue  # those of hours that we credit ourselves are those of the portal's file
        seen.append(kind.reasons)
        rows = [
            f"| `{code}` | {reason.cls} | {reason.sentence} | {reason.remedy} |"
            for code, reason in kind.reasons.items()
        ]
        lines += [f"## {kind.title} (`{kind.source}`)", ""]
        lines += ["| code | class | reason | what to do |", "|---|---|---|---|", *rows, ""]
    return _page(
        "Reason codes",
        "Why a row of a file is not imported, by kind of file. The order is the precedence: a row\n"
        "gets the first that applies. They are the rule books of the code (`checks`), and what\n"
        "`import_hours --json`, 每一列 and 下載無法匯入資料 say.",
        lines[:-1],
    )


def roles() -> str:
    from ismp.accounts.roles import RIGHTS, ROLE_NAMES, Right, Role
    from ismp.ui.resources.resource import Resource, every

    def mark(one: Resource, role: Role) -> str:
        if one.form and one.edit in RIGHTS[role]:
            return "●"
        return "○" if one.view in RIGHTS[role] else ""

    source = ast.parse((ROOT / "ismp/accounts/roles.py").read_text("utf-8"))
    says = {}
    for node in source.body:
        if isinstance(node, ast.ClassDef) and node.name == "Right":
            for place, one in enumerate(node.body[:-1]):
                if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                    says[one.targets[0].id] = _docstring(node.body[place + 1])
    names = " | ".join(f"{ROLE_NAMES[role]} `{role}`" for role in Role)
    rows = [
        f"| `{right}` | {' | '.join('●' if right in RIGHTS[role] else '' for role in Role)} |"
        f" {says.get(right.name, '')} |"
        for right in Right
    ]
    return _page(
        "Roles and rights",
        "Who may do what in 管理環境; everybody sees the portal and what is their own. The table of the\n"
        "code is `ismp/accounts/roles.py`; a test holds every address against it, for each role, in the\n"
        "own agency and in another. Without `all_agencies` every list and every page is scoped to the\n"
        "own agency.",
        [
            *(f"| right | {names} | what for |", f"|---|{':-:|' * len(Role)}---|", *rows, ""),
            *("## Lists of 管理環境", ""),
            *(
                "Who sees each (○) and adds or edits there (●); of all agencies where it is shared.",
                "",
            ),
            *(f"| list | {names} | shared |", f"|---|{':-:|' * len(Role)}:-:|"),
            *(
                f"| {one.title} `{one.name}` | {' | '.join(mark(one, role) for role in Role)} | {'●' if one.is_shared else ''} |"
                for one in every()
            ),
        ],
    )


# --- pages -----------------------------------------------------------------------------------


def _page(title: str, says: str, lines: list[str]) -> str:
    return "\n".join([f"# {title}", "", _TURNED, "", says, "", *lines, ""])


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "commands.md": commands,
    "audit-verbs.md": audit_verbs,
    "reason-codes.md": reason_codes,
    "roles.md": roles,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        name = ".".join(_settings_file().relative_to(ROOT).with_suffix("").parts)
        os.environ |= {"ISMP_HOME": home, "DJANGO_SETTINGS_MODULE": name}
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        for page, write in PAGES.items():
            (HERE / page).write_text(write(), "utf-8")


if __name__ == "__main__":
    main()
