// SPDX-License-Identifier: MIT
#include "doctor/policy.hpp"

#include <cctype>
#include <string>
#include <utility>

#include "config/warnings.hpp"

namespace msi2imds::doctor {
namespace {

std::string sentence(std::string text) {
  // Names of keys are written small.
  const bool begins_with_key = text.substr(0, text.find(' ')).find('.') != std::string::npos;
  if (!begins_with_key) {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return std::move(text) + ".";
}

}  // namespace

Findings check_policy(const Host& host) {
  Findings findings;
  for (const config::Warning& one : config::warnings_of(host.config)) {
    findings.push_back(warning("policy", sentence(one.what), sentence(one.remedy)));
  }
  return findings;
}

}  // namespace msi2imds::doctor
