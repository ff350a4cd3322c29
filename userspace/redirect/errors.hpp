// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

namespace msi2imds::redirect {

// Why the host's tools cannot redirect, and what can happen to rules.
enum class Errc {
  not_installed = 1,  // the tool
  not_permitted,      // needs root, or more capabilities
  no_nat,             // the kernel has no NAT of this kind or family
  in_use,             // somebody else uses what only one can
  locked,             // somebody else is changing rules
  too_slow,           // the tool, or it waits for somebody else who is changing rules
  tool_failed,        // for another reason, which the tool has told
  no_effect,          // accepted, but connections do not follow the rule
  incomplete,         // rules of ours are missing
  untracked,          // a rule of somebody else keeps NAT from connections
  rival,              // another process of ours redirects by such rules
};

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::redirect

template <>
struct boost::system::is_error_code_enum<msi2imds::redirect::Errc> : std::true_type {};
