# SPDX-License-Identifier: MIT
"""Each backend beside each neighbour: what docs/neighbours.md says holds."""


def test_cell(row):
    assert row.holds, f"{row.broken or row.problem}\n{row}\n{row.journal[-6000:]}"
