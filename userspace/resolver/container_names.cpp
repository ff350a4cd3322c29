// SPDX-License-Identifier: MIT
#include "resolver/container_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <initializer_list>
#include <utility>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostOfNotes = std::size_t{1} << 20U;
constexpr std::size_t kLongestName = 256;

// Null where it is no regular file, is longer, or is no JSON.
json::value read_json(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0 ||
      static_cast<std::size_t>(status.st_size) > kMostOfNotes) {
    return {};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count <= 0) {
      return {};
    }
    size += static_cast<std::size_t>(count);
  }
  json::error_code ec;
  json::value value = json::parse(text, ec);
  return ec ? json::value() : value;
}

// Null where there is none.
const json::value* member(const json::value* value, std::string_view name) {
  const json::object* const object = value != nullptr ? value->if_object() : nullptr;
  return object != nullptr ? object->if_contains(name) : nullptr;
}

std::string text_of(const json::value* value) {
  const json::string* const text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(std::string_view(*text).substr(0, kLongestName)) : std::string();
}

// What the annotations of the runtime's own configuration are called.
struct Annotations {
  std::string_view space;
  std::string_view pod;
  std::string_view container;
  std::string_view image;
};
constexpr Annotations kContainerd = {"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
                                     "io.kubernetes.cri.container-name", "io.kubernetes.cri.image-name"};
constexpr Annotations kCrio = {"io.kubernetes.pod.namespace", "io.kubernetes.pod.name",
                               "io.kubernetes.container.name", "io.kubernetes.cri-o.ImageName"};

ContainerNames of_pod(const json::value& configuration, const Annotations& names) {
  const json::value* const all = member(&configuration, "annotations");
  std::string name;
  for (const std::string_view part : {names.space, names.pod, names.container}) {
    const std::string text = text_of(member(all, part));
    if (!text.empty()) {
      name += (name.empty() ? "" : "/") + text;
    }
  }
  return {.name = std::move(name), .image = text_of(member(all, names.image))};
}

ContainerNames of_docker(const json::value& configuration) {
  std::string name = text_of(member(&configuration, "Name"));
  return {.name = name.starts_with('/') ? name.substr(1) : std::move(name),
          .image = text_of(member(member(&configuration, "Config"), "Image"))};
}

// One list of all.
ContainerNames of_podman(const json::value& list, std::string_view id) {
  const json::array* const all = list.if_array();
  for (const json::value& one : all != nullptr ? *all : json::array()) {
    if (text_of(member(&one, "id")) != id) {
      continue;
    }
    const json::value* const names = member(&one, "names");
    const json::array* const listed = names != nullptr ? names->if_array() : nullptr;
    const json::value* const metadata = member(&one, "metadata");
    json::error_code ec;
    const json::value inner = metadata != nullptr && metadata->is_string()
                                  ? json::parse(metadata->get_string(), ec)
                                  : json::value();
    return {.name = listed != nullptr && !listed->empty() ? text_of(&listed->front()) : std::string(),
            .image = ec ? std::string() : text_of(member(&inner, "image-name"))};
  }
  return {};
}

}  // namespace

ContainerNames name_container(const std::string& root, std::string_view id) {
  const std::string within = "/" + std::string(id) + "/";
  const std::string containerd = root + "/run/containerd/io.containerd.runtime.v2.task/k8s.io";
  const std::string storage = "/containers/storage/overlay-containers";
  const std::string podman = root + "/var/lib" + storage;
  ContainerNames found = of_pod(read_json(containerd + within + "config.json"), kContainerd);
  if (found.name.empty()) {
    found = of_docker(read_json(root + "/var/lib/docker/containers" + within + "config.v2.json"));
  }
  if (found.name.empty()) {
    found = of_pod(read_json(root + "/run" + storage + within + "userdata/config.json"), kCrio);
  }
  for (const char* const list : {"/containers.json", "/volatile-containers.json"}) {
    if (found.name.empty()) {
      found = of_podman(read_json(podman + list), id);
    }
  }
  return found;
}

}  // namespace msi2imds::resolver
