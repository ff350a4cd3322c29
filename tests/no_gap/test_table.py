# SPDX-License-Identifier: MIT
"""Each backend through each event: what docs/no-gap.md says holds."""

import pytest


def test_cell(row, backend, event):
    if row.reason:
        pytest.skip(row.reason)
    assert row.holds, f"{row.worse}, where the rule is: {': '.join(event.rule)}\n{row}\n{row.log[-6000:]}"
