# SPDX-License-Identifier: MIT
"""What a program is linked with."""

import re
import subprocess


def of(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)
