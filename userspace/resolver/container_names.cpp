// SPDX-License-Identifier: MIT
#include "resolver/container_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <initializer_list>
#include <utility>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostOfNotes = std::size_t{1} << 20U;
constexpr std::size_t kLongestName = 256;

// Empty where it is no regular file, or is longer.
std::string read_notes(const std::string& path) {
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
  return text;
}

// Null where it is no JSON.
json::value parse_notes(std::string_view text) {
  json::error_code ec;
  json::value value = json::parse({text.data(), text.size()}, ec);
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
    const json::value inner = metadata != nullptr && metadata->is_string()
                                  ? parse_notes(std::string_view(metadata->get_string()))
                                  : json::value();
    return {.name = listed != nullptr && !listed->empty() ? text_of(&listed->front()) : std::string(),
            .image = text_of(member(&inner, "image-name"))};
  }
  return {};
}

}  // namespace

ContainerNames names_in(Notes kind, std::string_view notes, std::string_view id) {
  const json::value value = parse_notes(notes);
  switch (kind) {
    case Notes::containerd:
      return of_pod(value, kContainerd);
    case Notes::docker:
      return of_docker(value);
    case Notes::crio:
      return of_pod(value, kCrio);
    case Notes::podman:
      return of_podman(value, id);
  }
  return {};
}

ContainerNames name_container(const std::string& root, std::string_view id) {
  const std::string of_id = "/" + std::string(id) + "/";
  const std::string storage = "/containers/storage/overlay-containers";
  const std::array places = {
      std::pair(Notes::containerd,
                "/run/containerd/io.containerd.runtime.v2.task/k8s.io" + of_id + "config.json"),
      std::pair(Notes::docker, "/var/lib/docker/containers" + of_id + "config.v2.json"),
      std::pair(Notes::crio, "/run" + storage + of_id + "userdata/config.json"),
      std::pair(Notes::podman, "/var/lib" + storage + "/containers.json"),
      std::pair(Notes::podman, "/var/lib" + storage + "/volatile-containers.json")};
  for (const auto& [kind, path] : places) {
    ContainerNames found = names_in(kind, read_notes(root + path), id);
    if (!found.name.empty()) {
      return found;
    }
  }
  return {};
}

}  // namespace msi2imds::resolver
