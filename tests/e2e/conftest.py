# SPDX-License-Identifier: MIT
"""Each test plays on a machine of its own, with msi2imds."""

pytest_plugins = ["service_fixtures", "container_fixtures"]
