// SPDX-License-Identifier: MIT
#include "base/signals.hpp"

#include <csignal>

namespace msi2imds {

void ignore_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    // Fails for SIGKILL, SIGSTOP and those that the C library keeps for itself.
    (void)::signal(signal, signal == SIGCHLD ? SIG_DFL : SIG_IGN);
  }
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace msi2imds
