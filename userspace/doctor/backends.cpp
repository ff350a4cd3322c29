// SPDX-License-Identifier: MIT
#include "doctor/backends.hpp"

#include "base/run_to_end.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kBackendsCheck = "backend";

std::string why_not(const Error& error) {
  return error.code() == boost::system::errc::not_supported ? "it cannot " + error.message()
                                                            : error.message();
}

// Trying iptables leaves its nat table behind, with legacy iptables also connection tracking for the whole
// host, so it is tried only where `run` would try it.
bool may_try(std::string_view name, const std::string& wanted, const std::string& taken) {
  return name != "iptables" || wanted == "iptables" || (wanted == "auto" && taken.empty());
}

Finding none_works(const std::string& wanted) {
  const std::string text = wanted == "auto" ? "No backend works on this machine."
                                            : "The backend that was chosen, " + wanted + ", does not work.";
  return error(
      kBackendsCheck, text,
      wanted == "auto"
          ? "See the reasons above; a newer kernel, or the nft or iptables command, helps."
          : "The reason is above; where a connection did not arrive, a packet filter may keep it away "
            "(nft list ruleset). Else set redirect.backend to \"auto\", or to one that works.");
}

}  // namespace

Backends check_backends(const Host& host,
                        const std::vector<std::unique_ptr<redirect::Redirector>>& redirectors) {
  Backends result;
  if (!host.is_root) {  // whatever fails for want of rights would look as if the machine lacked it
    result.findings.push_back(
        unknown(kBackendsCheck, "Which backends work here is not known: only root may try them."));
    return result;
  }
  const std::string& wanted = host.config.redirect.backend;
  for (const auto& redirector : redirectors) {
    const std::string name(redirector->name());
    if (!may_try(name, wanted, result.taken)) {
      result.findings.push_back(
          ok(kBackendsCheck, name + " was not tried, since that would leave a nat table behind."));
      continue;
    }
    const Result<void> probed = run_to_end(redirector->probe(host.plan));
    result.findings.push_back(
        ok(kBackendsCheck,
           probed ? name + " works." : name + " is not to be had: " + why_not(probed.error()) + "."));
    if (probed && result.taken.empty() && (wanted == "auto" || wanted == name)) {
      result.taken = name;
    }
  }
  result.findings.push_back(result.taken.empty() ? none_works(wanted)
                                                 : ok(kBackendsCheck, "redirect.backend = \"" + wanted +
                                                                          "\" takes " + result.taken + "."));
  return result;
}

Backends check_backends(const Host& host) {
  return check_backends(host, redirect::all_redirectors());
}

}  // namespace msi2imds::doctor
