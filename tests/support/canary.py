"""A person whose national ID may stay behind nowhere."""

import unicodedata

from django.apps import apps

from ismp.accounts import national_id

CANARY = national_id.complete("A28765432")

WIDE = "".join(chr(ord(char) + 0xFEE0) for char in CANARY)

FORMS = {
    "alone": CANARY,
    "between Chinese characters": f"字第{CANARY}號",
    "small letters": CANARY.lower(),
    "after an underscore": f"cert_{CANARY}_01",
    "after a date": f"1150105{CANARY}",
    "before letters": f"{CANARY}x",
    "full width": WIDE,
}


def announced(content: str) -> bool:
    return CANARY in unicodedata.normalize("NFKC", content).upper()


def database() -> str:
    models = apps.get_models(include_auto_created=True)
    return "\n".join(str(values) for model in models for values in model._base_manager.values())
