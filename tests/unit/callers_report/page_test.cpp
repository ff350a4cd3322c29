// SPDX-License-Identifier: MIT
#include "cli/callers_page.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace msi2imds::cli {
namespace {

using Bytes = std::vector<unsigned char>;

Bytes carried() {
  return {kCallersPage.gzip.begin(), kCallersPage.gzip.end()};
}

std::string failure_of(const Bytes& gzip, std::size_t size) {
  const auto page = decompress({gzip, size});
  return page ? "" : page.error().message();
}

TEST(CallersPageTest, IsCarriedInAThirdOfItsSize) {
  const auto page = decompress(kCallersPage);
  ASSERT_TRUE(page) << page.error().message();
  EXPECT_EQ(page->size(), kCallersPage.size);
  EXPECT_TRUE(page->starts_with("<!doctype html>") && page->ends_with("</html>\n"));
  EXPECT_LT(kCallersPage.gzip.size(), page->size() / 3);
}

TEST(CallersPageTest, HasNeitherTheTimeNorThePlaceOfTheBuild) {
  const Bytes header(kCallersPage.gzip.begin(), kCallersPage.gzip.begin() + 8);
  EXPECT_EQ(header, (Bytes{0x1f, 0x8b, 8, 0, 0, 0, 0, 0}));  // no name; time 0
}

TEST(CallersPageTest, WhatIsDamagedIsAnErrorThatSaysWhatToDo) {
  Bytes changed = carried();
  changed[changed.size() / 2] ^= 1U;
  Bytes cut = carried();
  cut.resize(cut.size() - 9);
  for (const Bytes& gzip : {changed, cut, Bytes()}) {
    EXPECT_NE(failure_of(gzip, kCallersPage.size).find("(its file is damaged: install it again)"),
              std::string::npos);
  }
  EXPECT_NE(failure_of(carried(), kCallersPage.size - 1), "");
  EXPECT_NE(failure_of(carried(), kCallersPage.size + 1), "");
}

}  // namespace
}  // namespace msi2imds::cli
