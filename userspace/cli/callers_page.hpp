// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

// The page of `callers --html`, which this program carries compressed.
namespace msi2imds::cli {

struct CompressedPage {
  std::span<const unsigned char> gzip;
  std::size_t size;  // of the page
};

// It has @REPORT@ where the JSON belongs. Made by cmake/EmbedPage.cmake.
extern const CompressedPage kCallersPage;

// The page's text; fails where the bytes are not a whole page of that size.
[[nodiscard]] Result<std::string> decompress(const CompressedPage& page);

// The page that shows a report, a machine's or a fleet's.
[[nodiscard]] Result<std::string> page_of(std::string_view json);

}  // namespace msi2imds::cli
