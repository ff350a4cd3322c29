// SPDX-License-Identifier: MIT
// Who calls, as the kernel tells it, as it travels between our processes, and as it is written down: any
// datagram, any message, any command line.
#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "audit/line.hpp"
#include "caller/identity.hpp"
#include "fuzz/redaction.hpp"
#include "fuzz/require.hpp"
#include "netlink/nft_events.hpp"
#include "netlink/sock_diag_message.hpp"
#include "resolver/container_names.hpp"
#include "resolver/unit.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

constexpr std::uint16_t kClientPort = 0x4142;
constexpr std::uint16_t kServerPort = 50342;
constexpr std::uint32_t kSequence = 7;

// An answer is of the socket that was asked for, so that its ports are in there.
void read_datagram(std::string_view bytes) {
  std::vector<std::uint64_t> aligned(bytes.size() / sizeof(std::uint64_t) + 1);
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  const auto datagram = std::as_bytes(std::span(aligned)).first(bytes.size());
  const auto question =
      netlink::make_question(netlink::to_endpoint(SocketAddress::ipv4_loopback(kClientPort)),
                             netlink::to_endpoint(SocketAddress::ipv4_loopback(kServerPort)), kSequence);
  const auto answer = netlink::read_answer(datagram, question);
  if (answer && *answer) {
    const std::array<std::uint16_t, 2> ports = {htons(kClientPort), htons(kServerPort)};
    require(fuzz::contains(bytes, fuzz::view_of(ports.data(), sizeof ports)));
  }
  if (netlink::gravest_in(datagram, "msi2imds") != netlink::NftChange::none) {
    require(fuzz::contains(bytes, "msi2imds"));
  }
}

void require_lines(const caller::Identity& identity) {
  const audit::Record record{.time = {},
                             .caller = identity,
                             .resource = identity.command_line,
                             .identity = identity.user,
                             .outcome = "token",
                             .source = "imds"};
  for (const audit::Format format : {audit::Format::text, audit::Format::json}) {
    std::string line;
    audit::append(line, record, format);
    require(line.ends_with('\n'));
    line.pop_back();
    require(!fuzz::has_control_character(line));
    if (format == audit::Format::json) {
      require(fuzz::require_json(line).at("program").is_string());
    }
  }
}

void read_identity(std::string_view bytes) {
  if (const auto identity = caller::parse_identity(bytes)) {
    require(caller::serialize(*identity) == bytes);
    require_lines(*identity);
  }
}

void write_identity(std::string_view bytes) {
  caller::Identity identity;
  identity.uid = static_cast<uid_t>(bytes.size());
  identity.gids = {static_cast<gid_t>(bytes.size()), 7};
  for (const auto text :
       {&caller::Identity::program, &caller::Identity::command_line, &caller::Identity::cgroup,
        &caller::Identity::user, &caller::Identity::comm, &caller::Identity::container,
        &caller::Identity::container_name, &caller::Identity::unknown_because, &caller::Identity::unit}) {
    identity.*text = fuzz::cut(bytes, "\n");
  }
  identity.program_is_verified = !identity.program.empty();
  const auto read = caller::parse_identity(caller::serialize(identity));
  require(read.has_value() && *read == identity);
  require_lines(identity);
}

// What the makers of containers have a say in.
void read_notes_on_containers(std::string_view bytes) {
  using resolver::Notes;
  for (const Notes kind : {Notes::containerd, Notes::docker, Notes::crio, Notes::podman}) {
    const resolver::ContainerNames names = resolver::names_in(kind, bytes, "c0ffee");
    require(names.name.size() <= std::size_t{3} * 256 + 2 && names.image.size() <= 256);
  }
}

std::vector<std::string> arguments_of(std::string_view bytes) {
  std::vector<std::string> arguments;
  while (!bytes.empty()) {
    arguments.emplace_back(fuzz::cut(bytes, std::string_view("\0", 1)));
  }
  return arguments;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  read_datagram(bytes);
  read_identity(bytes);
  if (bytes.empty() || bytes.front() < ' ') {  // no text: what follows takes a hundred times as long
    return 0;
  }
  write_identity(bytes);
  read_notes_on_containers(bytes);
  fuzz::require_redacted(arguments_of(bytes));
  require(fuzz::contains(bytes, resolver::unit_of(bytes)) &&
          fuzz::contains(bytes, resolver::container_of(bytes)));
  return 0;
}
