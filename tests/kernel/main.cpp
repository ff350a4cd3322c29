// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <iostream>

#include "kernel/namespace.hpp"
#include "kernel/scratch_cgroup.hpp"

// Every test runs in a network namespace and a cgroup of this process.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests)) {
    const auto entered = msi2imds::kernel::enter_new_network_namespace();
    if (!entered) {
      std::cerr << "the kernel tests need root: " << entered.error().message() << '\n';
      return 1;
    }
  }
  const msi2imds::kernel::ScratchCgroup cgroup;
  return RUN_ALL_TESTS();
}
