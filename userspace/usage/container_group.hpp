// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

// Containers come and go, and what runs in them is one caller all the same.
namespace msi2imds::usage {

// What containers have in common that are made one after the other for the same purpose: all of it empty
// where the image is not known.
struct ContainerGroup {
  std::string_view image;
  std::string_view name;    // up to what is made up anew each time: "web", "shop/sync-"
  std::string_view within;  // of a pod, the name of the container in it

  friend bool operator==(const ContainerGroup&, const ContainerGroup&) = default;
};

// Of texts that outlive it. Taken for made up are the two words with a '_' between them of Docker and Podman,
// and what Kubernetes puts at the end of the names of the pods that it makes itself.
[[nodiscard]] ContainerGroup group_of(std::string_view name, std::string_view image);

// The unit or the cgroup of any container like that one: "docker-*.scope".
[[nodiscard]] std::string without_container(std::string_view place, std::string_view container);

}  // namespace msi2imds::usage
