// SPDX-License-Identifier: MIT
#include "redirect/iptables_tool.hpp"

#include <array>
#include <thread>
#include <utility>

#include "redirect/errors.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

using std::chrono::milliseconds;

// No option -w: versions differ in whether they know it and what may follow. Some wait without it.
constexpr std::array kWaits = {milliseconds(50), milliseconds(100), milliseconds(200), milliseconds(400),
                               milliseconds(800)};

// Somebody may have changed the table between our look and our change.
bool may_be_overtaken(const Error& failure) {
  return failure.code() == Errc::tool_failed || failure.code() == Errc::no_nat ||
         failure.code() == Errc::in_use;
}

// Makes `attempt` again while it fails for somebody else's sake.
template <typename Attempt>
auto persist(const Wait& wait, Attempt attempt) {
  auto result = attempt();
  if (!result && may_be_overtaken(result.error())) {
    result = attempt();
  }
  for (const milliseconds time : kWaits) {
    if (result || result.error().code() != Errc::locked) {
      break;
    }
    wait(time);
    result = attempt();
  }
  return result;
}

}  // namespace

IptablesPrograms iptables_programs(const NatFamily& family, const std::string& flavour) {
  const std::string name = (family.domain == AF_INET6 ? "ip6tables" : "iptables") + flavour;
  return {.list = name, .restore = name + "-restore", .save = name + "-save"};
}

Wait real_wait() {
  return [](milliseconds time) { std::this_thread::sleep_for(time); };
}

IptablesTool::IptablesTool(IptablesPrograms programs, std::shared_ptr<CommandRunner> runner, Wait wait)
    : programs_(std::move(programs)), runner_(std::move(runner)), wait_(std::move(wait)) {}

Result<IptablesNat> IptablesTool::look_once() const {
  Result<std::string> listing = run_tool(*runner_, programs_.list, {"-t", "nat", "-S"});
  if (!listing && listing.error().code() == Errc::tool_failed) {  // too old for -S
    Result<std::string> saved = run_tool(*runner_, programs_.save, {"-t", "nat"});
    if (saved) {
      listing = std::move(saved);
    }
  }
  if (!listing) {
    return listing.error();
  }
  return read_iptables(*listing);
}

Result<void> IptablesTool::restore_once(const std::string& text) const {
  const Result<std::string> done = run_tool(*runner_, programs_.restore, {"--noflush"}, text);
  if (!done) {
    return done.error();
  }
  return {};
}

Result<IptablesNat> IptablesTool::look() const {
  return persist(wait_, [this] { return look_once(); });
}

Result<void> IptablesTool::restore(const std::string& text) const {
  return persist(wait_, [&] { return restore_once(text); });
}

Result<void> IptablesTool::change(const std::function<std::string(const IptablesNat&)>& text_for) const {
  return persist(wait_, [&]() -> Result<void> {
    const Result<IptablesNat> found = look_once();
    if (!found) {
      return found.error();
    }
    const std::string text = text_for(*found);
    return text.empty() ? Result<void>() : restore_once(text);
  });
}

Result<bool> IptablesTool::speaks_nftables() const {
  const Result<std::string> version = run_tool(*runner_, programs_.list, {"--version"});
  if (!version) {
    return version.error();
  }
  return version->find("nf_tables") != std::string::npos;
}

}  // namespace msi2imds::redirect
