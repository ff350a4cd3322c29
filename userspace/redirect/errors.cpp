// SPDX-License-Identifier: MIT
#include "redirect/errors.hpp"

#include "base/error_category.hpp"

namespace msi2imds::redirect {
namespace {

const char* explain(Errc errc) {
  switch (errc) {
    case Errc::not_installed:
      return "it is not installed";
    case Errc::not_permitted:
      return "not permitted (needs CAP_NET_ADMIN)";
    case Errc::no_nat:
      return "the kernel has no such NAT";
    case Errc::in_use:
      return "the kernel lets only one use NAT here, and somebody else does";
    case Errc::locked:
      return "another tool holds the lock of the rules";
    case Errc::too_slow:
      return "it did not end in time: it is slow, or another tool holds the lock of the rules";
    case Errc::tool_failed:
      return "the tool failed";
    case Errc::no_effect:
      return "the rule was accepted, but connections do not follow it";
    case Errc::incomplete:
      return "not in force";
    case Errc::untracked:
      return "another firewall rule exempts them from tracking (notrack), so no NAT rule is asked about "
             "them; `msi2imds doctor` shows it";
    case Errc::rival:
      return "another msi2imds has its own in force in this network namespace, and another listen port; one "
             "of the two has to end";
  }
  return "unknown error";
}

}  // namespace

const boost::system::error_category& error_category() {
  static const ErrorCategory<Errc> category("redirect", explain);
  return category;
}

}  // namespace msi2imds::redirect
