// SPDX-License-Identifier: MIT
// Whatever stands in the files of the Azure agent and in our own notes: each port that is found there is one,
// and only our own discovery file is ever taken away. The files of an input are separated by "\n--\n".
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "fuzz/require.hpp"
#include "support_cpp/temporary_directory.hpp"
#include "waagent/discovery_file.hpp"
#include "waagent/extension.hpp"
#include "waagent/ports.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

constexpr std::string_view kSeparator = "\n--\n";

class Agent {
 public:
  Agent() {
    for (const std::filesystem::path& path : {config_, state_, std::filesystem::path(places_.proc)}) {
      std::filesystem::create_directories(path);
    }
    std::filesystem::permissions(state_, std::filesystem::perms::owner_all);
  }

  void write(std::string_view bytes) const {
    write(config_ / "0.settings", fuzz::cut(bytes, kSeparator));
    write(config_ / "HandlerState", fuzz::cut(bytes, kSeparator));
    write(state_ / "legacy-ports", fuzz::cut(bytes, kSeparator));
    write(state_ / "discovery-file", fuzz::cut(bytes, kSeparator));
    write(discovery_, bytes);
  }

  void read() const {
    const auto extension = waagent::find_extension(places_.root);
    require(extension.has_value() && extension->has_value());
    require(!(*extension)->settings || (*extension)->settings->port != 0);
    for (const std::uint16_t port : waagent::ports_of(waagent::find_port_evidence(places_), 16)) {
      require(port != 0);
    }
  }

  // What is there is somebody else's, whatever our note says: it was not made by us.
  void keep() const {
    const auto before = waagent::read_discovery_file(places_);
    require(before.has_value() && before->has_value());
    const auto kept = waagent::keep_discovery_file(places_, 50343);
    require(kept.has_value());
    const auto after = waagent::read_discovery_file(places_);
    require(after.has_value() && after->has_value());
    require(kept->made ? (*after)->port == 50343 : (*after)->content == (*before)->content);
    const auto removed = waagent::remove_discovery_file(places_);
    require(removed.has_value() && *removed != std::filesystem::exists(discovery_));
    require(!*removed || kept->made || (*before)->is_ours);
  }

 private:
  static void write(const std::filesystem::path& file, std::string_view text) {
    std::ofstream(file, std::ios::binary) << text;
  }

  support::TemporaryDirectory directory_;
  waagent::Places places_{
      .root = directory_.file("waagent"), .state = directory_.file("state"), .proc = directory_.file("proc")};
  std::filesystem::path config_ =
      places_.root / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0" / "config";
  std::filesystem::path state_ = places_.state;
  std::filesystem::path discovery_ = places_.root / waagent::kDiscoveryFile;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Agent agent;
  agent.write(fuzz::view_of(data, size));
  agent.read();
  agent.keep();
  return 0;
}
