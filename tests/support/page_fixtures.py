# SPDX-License-Identifier: MIT
"""A browser for the pages of `callers --html`: one for each file of tests."""

import pytest

from chromium import Page
from namespace import Namespace


@pytest.fixture(scope="module")
def browser():
    with Namespace() as nowhere, Page(nowhere) as page:
        yield page


@pytest.fixture
def page(browser):
    browser.requested.clear()
    browser.complaints.clear()
    browser.resize(1080, 800)
    browser.prefer("light")
    yield browser
    # Nothing but files, and neither the policy nor the script found fault.
    assert [url for url in browser.requested if not url.startswith("file://")] == []
    assert browser.complaints == []
