// SPDX-License-Identifier: MIT
#include "cli/document.hpp"

#include <fmt/core.h>

namespace msi2imds::cli {
namespace {

// Another one when a member goes or means something else; a new member changes nothing for those who read.
constexpr int kSchema = 1;

}  // namespace

void print_document(std::string_view object) {
  fmt::print("{{\"schema\":{},{}\n", kSchema, object.substr(1));  // its members become ours
}

}  // namespace msi2imds::cli
