"""The web server's door."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.urls import get_resolver

from ismp.config import home

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ismp.config.settings")
home.prepare(settings.ISMP_HOME)
application = get_wsgi_application()

# A page's query ends when nobody can be waiting for it any more, or when this process is gone.
# Commands and the worker take their time.
if not settings.ON_SQLITE:
    _limits = (
        f" -c statement_timeout={settings.PAGE_STATEMENT_SECONDS}s"
        " -c client_connection_check_interval=10s"
    )
    for _database in connections.settings.values():
        _options = _database.setdefault("OPTIONS", {})
        _options["options"] = _options.get("options", "") + _limits

# What is loaded now stays: the collector, which walked through all of it every so often while
# somebody waited a tenth of a second longer for a page, need not look at it again.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
