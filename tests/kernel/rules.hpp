// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace msi2imds::kernel {

// Runs one of the host's tools, which has to succeed, and returns what it printed.
std::string run_tool(const std::string& tool, const std::vector<std::string>& arguments,
                     const std::string& input = {});

// Whether it succeeded.
bool try_tool(const std::string& tool, const std::vector<std::string>& arguments);

// All firewall rules of this network namespace, those of the old iptables too, without counters. The empty
// chains that an iptables makes when it is first used count as nothing.
[[nodiscard]] std::string all_rules();

// The same without what is ours.
[[nodiscard]] std::string foreign_rules();

// Rules of every kind, such as a host with a firewall and containers has; gone with this object.
class BusyRules {
 public:
  BusyRules();
  BusyRules(const BusyRules&) = delete;
  BusyRules& operator=(const BusyRules&) = delete;
  ~BusyRules();
};

// Removes every rule there is.
void remove_all_rules();

}  // namespace msi2imds::kernel
