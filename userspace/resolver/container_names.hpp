// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

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

// By the files that Docker, containerd and CRI-O (of Kubernetes) and Podman (of root) keep below `root` while
// a container runs; of these, at most 1 MiB each is read, and nothing else is taken out of them. Empty where
// no such file has it.
[[nodiscard]] ContainerNames name_container(const std::string& root, std::string_view id);

}  // namespace msi2imds::resolver
