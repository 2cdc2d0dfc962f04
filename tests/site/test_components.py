"""The gallery of components: for developers only, and without a fault that axe can see."""

import pytest
from django.contrib.staticfiles import finders

from ismp.ui import site_stylesheet
from tests.support.browser import assert_accessible

GALLERY = "/development/components/"
LOOKS = [(1440, "light"), (1440, "dark"), (360, "light"), (360, "dark")]


def test_only_developers_see_it(client, db, settings):
    assert client.get(GALLERY).status_code == 404
    settings.DEBUG = True
    page = client.get(GALLERY).content.decode()
    assert '<span class="tag tag-green">approved</span>' in page
    assert '<span class="tag">withdrawn</span>' in page
    assert '<p class="message error" role="alert">還沒有存檔' in page


@pytest.mark.browser
def test_each_component_is_accessible(client, db, settings, chromium, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the browser has a loop in this thread
    settings.DEBUG = True
    answer = client.get(GALLERY).content.decode()
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.route("**/*", lambda route: route.abort())
    page.set_content(answer, wait_until="commit")
    for sheet in site_stylesheet.parts():
        page.add_style_tag(path=finders.find(sheet))
    assert_accessible(page, *LOOKS)
    page.close()
