"""The web server's door."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ismp.settings")
application = get_wsgi_application()

# What is loaded now stays: the collector, which walked through all of it every so often while
# somebody waited a tenth of a second more for her page, need not look at it again.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
