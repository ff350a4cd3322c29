// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "token/library.hpp"
#include "usage/row.hpp"

// Which change moves a caller to IMDS, by the library that its requests look like.
namespace msi2imds::cli {

struct LibraryChange {
  std::string_view name;    // for people
  std::string_view change;  // what to do
  std::string_view url;     // where that is documented
};

// In the order of token::Library.
extern const std::array<LibraryChange, token::kLibraries.size()> kLibraryChanges;

// The libraries that a caller's requests look like, the most used one first, by their indices.
[[nodiscard]] std::vector<std::size_t> libraries_of(const usage::Row& row);

// "Python: msrestazure or azure-cli 12, curl 3", in the same order; empty: not known.
[[nodiscard]] std::string libraries_text(const usage::Row& row);

// A member `libraries_seen` with a comma in front: what is known of each library that one of the rows has.
void append_libraries_seen(std::string& out, const std::vector<const usage::Row*>& rows);

}  // namespace msi2imds::cli
