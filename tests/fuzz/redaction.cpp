// SPDX-License-Identifier: MIT
#include "fuzz/redaction.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

#include "fuzz/require.hpp"
#include "resolver/redact.hpp"

namespace msi2imds::fuzz {
namespace {

constexpr std::string_view kSecret = "c4n4ry";

constexpr std::array<std::string_view, 10> kOptions = {
    "--password", "--passwd",  "-pwd",         "--client-secret", "--token",
    "--api-key",  "--SAS-SIG", "--credential", "-auth",           "--Access_Token"};

std::string text(std::string_view before, std::string_view name, std::string_view separator,
                 std::string_view after) {
  std::string out(before);
  return out.append(name).append(separator).append(kSecret).append(after);
}

void require_no_secret(const std::vector<std::string>& arguments) {
  std::size_t in = 0;
  std::size_t out = 0;
  for (const std::string& argument : arguments) {
    in += argument.size() + resolver::kRedacted.size();
  }
  for (const std::string& argument : resolver::redact(arguments)) {
    require(!contains(argument, kSecret));
    out += argument.size();
  }
  require(out <= in * 4);
}

// Among the others, but not behind one that says what this is.
void require_gone(std::vector<std::string> arguments, const std::vector<std::string>& with_secret) {
  arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(arguments.size() / 2), with_secret.begin(),
                   with_secret.end());
  require_no_secret(arguments);
}

}  // namespace

void require_redacted(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (contains(argument, kSecret)) {
      return;
    }
  }
  require_no_secret(arguments);
  const std::string before = arguments.empty() ? "" : arguments.front();
  const std::string after = arguments.size() < 2 ? "" : arguments[1];
  const std::string_view option = kOptions.at((before.size() + after.size()) % kOptions.size());
  require_gone(arguments, {std::string(option), std::string(kSecret)});
  require_gone(arguments, {text("", option, "=", after)});
  require_gone(arguments, {text(before, option, ":", after)});
  require_gone(arguments, {text(before, "DB_PASSWORD", "=", after)});
  require_gone(arguments, {text(before, "Authorization", ": Bearer ", after)});
  require_gone(arguments, {text(before, "{\"client_secret\"", " : \"", after)});
  require_gone(arguments, {text(before, "sv=1&sig", "=", after)});
  require_gone(arguments, {text("", "https", "://user:", "@host/" + after)});
  require_gone(arguments, {text("", "https", "://", "@host/" + after)});
  require_gone(arguments, {"-u", text("", "user", ":", after)});
}

}  // namespace msi2imds::fuzz
