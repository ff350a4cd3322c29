// SPDX-License-Identifier: MIT
// What ends the program when an exception is caught by nobody. In the place of libstdc++'s own, which brings
// a demangler of 50 KiB to say the exception's type.
#include <cstdio>
#include <cstdlib>
#include <exception>

// The name is libstdc++'s.
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
void __gnu_cxx::__verbose_terminate_handler() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) {
      std::rethrow_exception(thrown);
    }
    (void)std::fputs("msi2imds is ended without an exception\n", stderr);
  } catch (const std::exception& exception) {
    (void)std::fprintf(stderr, "msi2imds is ended by an exception that nobody caught: %s\n",
                       exception.what());
  } catch (...) {
    (void)std::fputs("msi2imds is ended by an exception that nobody caught\n", stderr);
  }
  std::abort();
}
