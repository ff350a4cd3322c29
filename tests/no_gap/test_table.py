# SPDX-License-Identifier: MIT
"""Each backend through each event: what docs/no-gap.md says holds, but for what known.json names."""

import pytest

import backends
import events
import known


@pytest.mark.parametrize("event", events.ALL, ids=lambda event: event.name)
@pytest.mark.parametrize("backend", backends.ALL)
def test_cell(row, backend, event):
    if row.reason:
        pytest.skip(row.reason)
    worse = known.beyond(row)
    assert not worse, f"{worse}, where the rule is: {': '.join(event.rule)}\n{row}\n{row.log[-6000:]}"
