// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace msi2imds::redirect {

// What is in testdata/.
inline std::string golden(const std::string& name) {
  std::ifstream file(GOLDEN_DIR + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace msi2imds::redirect
