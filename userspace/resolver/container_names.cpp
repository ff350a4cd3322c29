// SPDX-License-Identifier: MIT
#include "resolver/container_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/unique_fd.hpp"
#include "resolver/ownership.hpp"

namespace msi2imds::resolver {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostOfNotes = std::size_t{1} << 20U;
constexpr std::size_t kLongestName = 256;
constexpr std::size_t kMostContainers = 256;

// Somebody's notes, open; none where there are none, or somebody else could have written them.
UniqueFd open_notes(const Runtimes& runtimes, const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  const bool is_believed = file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                           only_owner_may_change(status, runtimes.owner) &&
                           only_owner_may_replace(file.get(), runtimes.root, runtimes.owner);
  return is_believed ? std::move(file) : UniqueFd();
}

// Empty where it is longer than notes may be.
std::string read_notes(int file, std::uint64_t length) {
  std::string text(length <= kMostOfNotes ? length : 0, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(file, text.data() + size, text.size() - size);
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

ContainerNames ContainerNamer::name(std::string_view id) {
  const auto known = known_.find(std::string(id));
  for (const Place& place : kPlaces) {
    std::string path = runtimes_.root;
    path += place.before;
    if (!place.after.empty()) {
      path += id;
      path += place.after;
    }
    const UniqueFd file = open_notes(runtimes_, path);
    const std::optional<FileKey> key = file ? key_of(file) : std::nullopt;
    if (!key) {
      continue;
    }
    if (known != known_.end() && known->second.file == *key) {
      break;
    }
    ContainerNames found = names_in(place.kind, read_notes(file.get(), key->size), id);
    if (found.name.empty()) {
      continue;
    }
    if (known_.size() >= kMostContainers) {
      known_.clear();
    }
    known_.insert_or_assign(std::string(id), Known{.file = *key, .names = found});
    return found;
  }
  return known == known_.end() ? ContainerNames() : known->second.names;
}

}  // namespace msi2imds::resolver
