"""Pages on which an inventory or the list of restricted products comes in, and their templates."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.imports.models import Source
from ismp.imports.views import import_page
from ismp.security.devices import inventory, product_import
from ismp.ui.exports.cells import Cell
from ismp.ui.exports.csv import csv_lines
from ismp.ui.http.requests import HttpRequest
from ismp.ui.text import roc_dates


@require_safe
@needs(Right.EDIT_SECURITY)
def import_devices(request: HttpRequest) -> HttpResponse:
    """匯入清冊 of one's own agency: choose a file, try it, import it; and what was sent before."""
    return import_page(request, Source.DEVICES, "security/inventory.html")


@require_safe
@needs(Right.EDIT_SECURITY)
def inventory_template(request: HttpRequest) -> HttpResponse:
    """An empty inventory with one example line, as CSV that Excel opens right."""
    example: list[Cell] = ["示範-001", "硬體", "筆記型電腦", "示範牌", "NB-1", "SN0001"]
    example += [1, "三樓機房", "資訊科", "示範保管人", "公務網路", "113-05-01", "118-05-01"]
    return _csv("inventory.csv", list(inventory.COLUMNS), [example])


@require_safe
@needs(Right.REVIEW_SECURITY)
def import_products(request: HttpRequest) -> HttpResponse:
    """匯入限制清單: choose a file, try it, import it; and what was sent before."""
    return import_page(request, Source.PRODUCTS, "security/products_import.html")


@require_safe
@needs(Right.REVIEW_SECURITY)
def product_template(request: HttpRequest) -> HttpResponse:
    """A list to begin with, as CSV: the brands that have been published."""
    day = roc_dates.roc_date(product_import.PUBLISHED_ON)
    rows: list[list[Cell]] = [
        [brand, "", product_import.EXAMPLE, day] for brand in product_import.PUBLISHED
    ]
    return _csv("products.csv", list(product_import.COLUMNS), rows)


def _csv(name: str, head: list[str], rows: list[list[Cell]]) -> HttpResponse:
    lines = b"".join(csv_lines(head, rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
