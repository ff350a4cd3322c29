// SPDX-License-Identifier: MIT
#include "resolver/container_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
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

std::string_view whole_text_of(const json::value* value) {
  const json::string* const text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

std::string text_of(const json::value* value) {
  return std::string(whole_text_of(value).substr(0, kLongestName));
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
    name += name.empty() || text.empty() ? "" : "/";
    name += text;
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
  for (std::size_t i = 0; all != nullptr && i < all->size(); ++i) {
    const json::value& one = (*all)[i];
    if (text_of(member(&one, "id")) != id) {
      continue;
    }
    const json::value* const names = member(&one, "names");
    const json::array* const listed = names != nullptr ? names->if_array() : nullptr;
    const json::value inner = parse_notes(whole_text_of(member(&one, "metadata")));
    return {.name = listed != nullptr && !listed->empty() ? text_of(&listed->front()) : std::string(),
            .image = text_of(member(&inner, "image-name"))};
  }
  return {};
}

// With an id between the two; without a second part, none.
struct Place {
  Notes kind;
  std::string_view before;
  std::string_view after;
};
constexpr std::array kPlaces = {
    Place{Notes::containerd, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/", "/config.json"},
    Place{Notes::docker, "/var/lib/docker/containers/", "/config.v2.json"},
    Place{Notes::crio, "/run/containers/storage/overlay-containers/", "/userdata/config.json"},
    Place{Notes::podman, "/var/lib/containers/storage/overlay-containers/containers.json", ""},
    Place{Notes::podman, "/var/lib/containers/storage/overlay-containers/volatile-containers.json", ""}};

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
  for (const Place& place : kPlaces) {
    std::string path = root;
    path += place.before;
    if (!place.after.empty()) {
      path += id;
      path += place.after;
    }
    ContainerNames found = names_in(place.kind, read_notes(path), id);
    if (!found.name.empty()) {
      return found;
    }
  }
  return {};
}

}  // namespace msi2imds::resolver
