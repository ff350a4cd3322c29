# SPDX-License-Identifier: MIT
"""Prints the token that Debian's python3-msrestazure gets: msrestazure_client.py RESOURCE [SELECTOR VALUE]"""

import json
import sys

from msrestazure.azure_active_directory import MSIAuthentication

resource, *selector = sys.argv[1:]
identity = {selector[0]: selector[1]} if selector else {}
credentials = MSIAuthentication(resource=resource, **identity)
print(json.dumps(credentials.token))
