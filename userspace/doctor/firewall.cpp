// SPDX-License-Identifier: MIT
#include "doctor/firewall.hpp"

#include "base/run_to_end.hpp"
#include "redirect/foreign_rules.hpp"
#include "redirect/loaded_rules.hpp"
#include "redirect/redirector.hpp"
#include "redirect/rival.hpp"
#include "redirect/saved_rules.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kFirewallCheck = "firewall";

void add_notrack(const std::string& rule, const std::string& backend, Findings& findings) {
  const std::string text = "A rule keeps loopback connections from being tracked (" + rule + ")";
  if (backend.empty() || backend == "nftables" || backend == "iptables") {
    findings.push_back(warning(kFirewallCheck, text + ": nftables and iptables cannot redirect them.",
                               "Take the legacy ports out of that rule, or choose another backend."));
  } else {
    findings.push_back(ok(kFirewallCheck, text + ", which concerns only nftables and iptables."));
  }
}

void add_filter(const std::string& rule, const std::string& backend, std::uint16_t listen_port,
                Findings& findings) {
  const std::string text = "A rule is to keep somebody from a legacy port (" + rule + ")";
  if (redirect::do_filters_bind(backend)) {
    findings.push_back(ok(kFirewallCheck, text + ", and does with " + backend + "."));
  } else {
    const std::string port = std::to_string(listen_port);
    findings.push_back(warning(kFirewallCheck,
                               text +
                                   ", and only does with sk_lookup and listen: with the other backends, "
                                   "it sees connections to port " +
                                   port + ".",
                               "Say so in the configuration ([[allow]]), write the same rule for port " +
                                   port + ", or set redirect.backend to sk_lookup or listen."));
  }
}

void add_translation(const std::string& rule, Findings& findings) {
  findings.push_back(warning(kFirewallCheck, "A rule leads a legacy port elsewhere (" + rule + ").",
                             "Take it away, unless callers arrive at msi2imds all the same: msi2imds status "
                             "tries it."));
}

// Where the service manager holds the sockets, connections wait in them.
void add_ours_without_server(const Host& host, Findings& findings) {
  const Result<bool> is_served = redirect::does_another_listen_on(host.config.redirect.listen_port);
  if (!is_served || *is_served) {
    return;
  }
  const std::string place = redirect::where_ours_are_loaded(host.commands, host.root.proc);
  if (!place.empty()) {
    findings.push_back(error(kFirewallCheck,
                             "Rules of msi2imds are loaded (" + place + "), and nobody listens on port " +
                                 std::to_string(host.config.redirect.listen_port) +
                                 ", where they lead: callers are refused.",
                             "Either start msi2imds, or take them away: msi2imds detach."));
  }
}

}  // namespace

Findings check_firewall(const Host& host, const std::string& backend) {
  if (!host.is_root) {
    return {unknown(kFirewallCheck, "Firewall rules are not known: only root may read them.")};
  }
  std::vector<std::uint16_t> ports = host.config.legacy.ports;
  const std::vector<std::string> rules = run_to_end(redirect::foreign_rules(host.commands, host.root.proc));
  Findings findings;
  const std::string filter = redirect::first_of(rules, redirect::filters_loopback, ports);
  if (!filter.empty()) {
    add_filter(filter, backend, host.config.redirect.listen_port, findings);
  }
  const std::string translation = redirect::first_of(rules, redirect::leads_loopback_elsewhere, ports);
  if (!translation.empty()) {
    add_translation(translation, findings);
  }
  ports.push_back(host.config.redirect.listen_port);
  const std::string notrack = redirect::first_of(rules, redirect::untracks_loopback, ports);
  if (!notrack.empty()) {
    add_notrack(notrack, backend, findings);
  }
  add_ours_without_server(host, findings);
  for (const std::string& file : redirect::files_with_our_rules(host.root.etc)) {
    findings.push_back(warning(kFirewallCheck,
                               file + " holds rules of msi2imds, which were saved while they were in force.",
                               "Take them out: loaded without msi2imds, they lead callers to nobody."));
  }
  return findings;
}

}  // namespace msi2imds::doctor
