#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hardening.py PROGRAM: fails when the program lacks a protection that compiler and linker have to give.

It looks at what was built, not at the flags. The program still has its symbols. The check first checks itself: that it
misses each protection in a small program that was built without.
"""

import pathlib
import platform
import re
import subprocess
import sys
import tempfile

# Ours, as the compiler writes them: of the libraries' protections, their packages' builders decide.
OUR_FUNCTION = re.compile(r"\w*8msi2imds\w*|main")
# Clang gives a guard to whatever has an array or gives the address of a variable away: with
# -fstack-protector-strong, two of five of our functions.
LEAST_GUARDED = 0.2
# As readelf calls what the machine calls itself; objdump may know no other machine's code.
MACHINES = {"x86_64": "X86-64", "aarch64": "AArch64"}


def read(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Program:
    def __init__(self, path):
        self.header = read("readelf", "--file-header", "--wide", path)
        self.segments = re.findall(
            r"^  (\w+) +0x\w+ 0x(\w+) 0x\w+ 0x\w+ 0x(\w+) ([RWE ]{3}) ",
            read("readelf", "--program-headers", "--wide", path), re.MULTILINE)
        self.notes = read("readelf", "--notes", "--wide", path)
        self.dynamic = read("readelf", "--dynamic", "--wide", path)
        self.sections = re.findall(r"^ +\[ *\d+\] (\S+) +\S+ +(\w+) ", read("readelf", "--section-headers", "--wide", path),
                                   re.MULTILINE)
        self.functions = self._our_functions(path)

    def _our_functions(self, path):
        """Name: the lines of its code."""
        functions, code = {}, []
        is_ours = MACHINES.get(platform.machine(), "") in self.header
        for line in read("objdump" if is_ours else "llvm-objdump", "--disassemble", "--no-show-raw-insn", path).splitlines():
            name = re.fullmatch(r"[0-9a-f]+ <(.+)>:", line)
            if name:
                code = []
                if OUR_FUNCTION.fullmatch(name[1]):
                    functions[name[1]] = code
            else:
                code.append(line)
        return functions

    def segment(self, kind):
        return next(((int(start, 16), int(size, 16), flags) for found, start, size, flags in self.segments
                     if found == kind), None)

    def calling(self, called):
        return [name for name, code in self.functions.items() if any(re.search(called, line) for line in code)]


def is_static_pie(program):
    is_pie = "DYN (Position-Independent Executable file)" in program.header and "PIE" in program.dynamic
    return is_pie and program.segment("INTERP") is None and "(NEEDED)" not in program.dynamic


def has_read_only_relocations(program):
    """Also of the table of functions that the program calls."""
    relro = program.segment("GNU_RELRO")
    got = [int(address, 16) for name, address in program.sections if name.startswith(".got")]
    return relro is not None and all(relro[0] <= address < relro[0] + relro[1] for address in got)


def binds_at_start(program):
    return re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW", program.dynamic) is not None


def has_no_executable_stack(program):
    stack = program.segment("GNU_STACK")
    return stack is not None and "E" not in stack[2]


def has_nothing_writable_and_executable(program):
    return not any("W" in flags and "E" in flags for *_, flags in program.segments)


def relocates_no_code(program):
    return "TEXTREL" not in program.dynamic


def guards_its_stack(program):
    return len(program.calling(r"<__stack_chk_fail")) >= LEAST_GUARDED * len(program.functions)


def has_fortified_calls(program):
    return bool(program.calling(r"<_*(mem|str|v?f?s?n?printf|explicit_bzero|read|recv)\w*_chk>"))


def is_marked_for_cet(program):
    """All of it, libraries included: otherwise processor and kernel check nothing. Told, and not asked for."""
    return re.search(r"x86 feature:.*\bIBT\b.*\bSHSTK\b", program.notes) is not None


PROTECTIONS = {
    is_static_pie: "is no static-pie: it needs an interpreter or libraries, or its address is always the same",
    has_read_only_relocations: "leaves what the linker relocates writable (-Wl,-z,relro,-z,now)",
    binds_at_start: "looks functions up when they are called (-Wl,-z,now)",
    has_no_executable_stack: "has an executable stack (-Wl,-z,noexecstack)",
    has_nothing_writable_and_executable: "has memory that is writable and executable",
    relocates_no_code: "has its code changed at the start (TEXTREL)",
    guards_its_stack: "has too few functions with a guard on the stack (-fstack-protector-strong)",
    has_fortified_calls: "has no call that checks the room it writes to (-D_FORTIFY_SOURCE)",
}

SAMPLE = r"""
#include <string.h>
#include <stdio.h>
int table[4] = {1, 2, 3, 4};
int *pointer = &table[1];
#ifdef WRITABLE_CODE
__asm__(".section .both,\"awx\",@progbits\n.quad 0\n.text\n");
#endif
#ifdef RELOCATED_CODE
__asm__(".text\n.quad main\n");
#endif
int main(int count, char **arguments) {
  char text[32];
  memcpy(text, arguments[0], (unsigned)count * 3u);
  puts(text);
  return *pointer;
}
"""
LINKER = "-Wl,-z,relro,-z,now,-z,noexecstack"
GOOD = ["-O2", "-fPIE", "-static-pie", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", LINKER]
# Without what, and what must be missed then.
BAD = (
    (["-static-pie", "-fPIE"], ["-no-pie", "-static"], is_static_pie),
    (["-static-pie"], ["-pie"], is_static_pie),
    ([LINKER], ["-Wl,-z,norelro"], has_read_only_relocations),
    ([LINKER, "-static-pie"], ["-pie", "-Wl,-z,lazy"], binds_at_start),
    ([], ["-Wl,-z,execstack"], has_no_executable_stack),
    ([], ["-DWRITABLE_CODE"], has_nothing_writable_and_executable),
    (["-static-pie"], ["-pie", "-DRELOCATED_CODE", "-Wl,-z,notext"], relocates_no_code),
    (["-fstack-protector-strong"], ["-fno-stack-protector"], guards_its_stack),
    (["-D_FORTIFY_SOURCE=2"], [], has_fortified_calls),
)


def built(directory, flags, compiler):
    source, program = pathlib.Path(directory) / "sample.c", pathlib.Path(directory) / "sample"
    source.write_text(SAMPLE)
    subprocess.run([compiler, *flags, "-o", program, source], check=True, capture_output=True, text=True)
    return Program(program)


def check_itself(compiler="gcc"):
    with tempfile.TemporaryDirectory() as directory:
        good = built(directory, GOOD, compiler)
        yield from (f"finds nothing in a good program: {protection.__name__}" for protection in PROTECTIONS if not protection(good))
        for without, instead, protection in BAD:
            flags = [flag for flag in GOOD if flag not in without] + instead
            if protection(built(directory, flags, compiler)):
                yield f"does not miss it: {protection.__name__} with {' '.join(instead)}"


def main(path):
    name = pathlib.Path(__file__).name
    findings = [f"{name}: {finding}" for finding in check_itself()]
    program = Program(path)
    findings += [f"{path} {consequence}" for protection, consequence in PROTECTIONS.items() if not protection(program)]
    guarded, fortified = len(program.calling("<__stack_chk_fail")), len(program.calling("_chk>"))
    print("\n".join(findings) or f"{path} has all {len(PROTECTIONS)} protections: {len(program.functions)} functions of ours, "
          f"{guarded} with a guard on the stack, {fortified} with checked calls; "
          f"{'marked' if is_marked_for_cet(program) else 'not marked'} for CET")
    return 1 if findings else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: hardening.py PROGRAM")
    sys.exit(main(sys.argv[1]))
