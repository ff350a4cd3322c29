// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "resolver/program_file.hpp"

namespace msi2imds::resolver {

// What a container is called. Texts are as whoever made it chose them.
struct ContainerNames {
  std::string name;   // "web"; of a pod's "NAMESPACE/POD/CONTAINER"
  std::string image;  // "docker.io/library/nginx:1.27"

  friend bool operator==(const ContainerNames&, const ContainerNames&) = default;
};

// Whose notes on containers.
enum class Notes { containerd, docker, crio, podman };

// What notes of that kind say of the container; empty: nothing, or they cannot be understood.
[[nodiscard]] ContainerNames names_in(Notes kind, std::string_view notes, std::string_view id);

// Whose files tell what containers are called.
struct Runtimes {
  std::string root = {};  // below which they lie
  uid_t owner = 0;        // what somebody else could have written is not believed
};

// Knows containers by the files that Docker, containerd and CRI-O (of Kubernetes) and Podman (of root) keep
// while they run; of these, at most 1 MiB each is read, and nothing else is taken out of them.
class ContainerNamer {
 public:
  explicit ContainerNamer(Runtimes runtimes) : runtimes_(std::move(runtimes)) {}

  // Empty where no such file has it. An id is never used again: so of a container that has ended, what was
  // known of it stays.
  [[nodiscard]] ContainerNames name(std::string_view id);

 private:
  struct Known {
    FileKey file;
    ContainerNames names;
  };

  Runtimes runtimes_;
  std::unordered_map<std::string, Known> known_;  // by id
};

}  // namespace msi2imds::resolver
