# SPDX-License-Identifier: MIT
"""What a suite that plays a table says of it at its end."""


def show(terminalreporter, title, lines, file=None):
    """As a section of pytest's output, and in that file, if one is named."""
    terminalreporter.section(title)
    for line in lines:
        terminalreporter.line(line)
    if file:
        file.write_text("\n".join(lines) + "\n")


def command_of(script, times, lengths, document):
    """The command that writes a table of that length into the document; `lengths` has the options of some lengths."""
    return f"{script} {lengths.get(times, f'--times {times} ')}--write {document}"
