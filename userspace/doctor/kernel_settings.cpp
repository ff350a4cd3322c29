// SPDX-License-Identifier: MIT
#include "doctor/kernel_settings.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "doctor/files.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kKernelSettingsCheck = "reserved";

struct Range {
  unsigned first = 0;
  unsigned last = 0;

  [[nodiscard]] bool has(std::uint16_t port) const {
    return first <= port && port <= last;
  }
};

unsigned number(std::string_view text) {
  return parse_number<unsigned>(trim(text)).value_or(0);
}

// "8080,9148-9150"
std::vector<Range> parse_list(std::string_view text) {
  std::vector<Range> ranges;
  for (const std::string& part : split(text, ", \t\n")) {
    const std::vector<std::string> ends = split(part, "-");
    if (!ends.empty()) {
      ranges.push_back({number(ends.front()), number(ends.back())});
    }
  }
  return ranges;
}

// The ports that outgoing connections get: "32768\t60999".
Range read_outgoing(const std::string& directory) {
  const std::vector<std::string> ends = split(read_text(directory + "/ip_local_port_range"), " \t\n");
  return ends.size() == 2 ? Range{number(ends[0]), number(ends[1])} : Range{1, 65535};
}

// Nothing before Linux 4.11, where ports below 1024 are root's alone, and where they still are.
Findings check_who_may_listen(const Host& host, const std::string& directory) {
  const std::string start = read_text(directory + "/ip_unprivileged_port_start");
  const std::uint16_t port = host.config.redirect.listen_port;
  if (start.empty() || port < number(start)) {
    return {};
  }
  return {
      warning(kKernelSettingsCheck,
              "Any user may listen on port " + std::to_string(port) +
                  " (redirect.listen_port) before msi2imds does, which then cannot start: ports from " +
                  std::to_string(number(start)) + " on are free to all.",
              "Set net.ipv4.ip_unprivileged_port_start above it, set redirect.listen_port to a port below "
              "that, or enable msi2imds.socket, by which systemd holds the port from the boot on.")};
}

}  // namespace

Findings check_reserved_ports(const Host& host) {
  const std::string directory = host.root.proc + "/sys/net/ipv4";
  const std::vector<Range> reserved =
      parse_list(read_text(directory + "/ip_local_reserved_ports", std::size_t{256} * 1024));
  const Range outgoing = read_outgoing(directory);
  std::string missing;
  for (const std::uint16_t port : host.config.legacy.ports) {
    const bool is_reserved =
        std::ranges::any_of(reserved, [port](const Range& range) { return range.has(port); });
    if (!is_reserved && outgoing.has(port)) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(port);
    }
  }
  Findings findings = check_who_may_listen(host, directory);
  if (missing.empty()) {
    findings.push_back(ok(kKernelSettingsCheck, "No outgoing connection can take a legacy port."));
    return findings;
  }
  findings.push_back(warning(
      kKernelSettingsCheck, "The kernel may give an outgoing connection a legacy port (" + missing + ").",
      host.is_running == true
          ? "An observer reserves none. Where msi2imds serves, somebody has changed "
            "net.ipv4.ip_local_reserved_ports: reload it (SIGHUP)."
          : "Not needed if msi2imds is going to run, which reserves them; otherwise add them to "
            "net.ipv4.ip_local_reserved_ports."));
  return findings;
}

}  // namespace msi2imds::doctor
