// SPDX-License-Identifier: MIT
#include "redirect/pinned_link.hpp"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/unique_fd.hpp"
#include "redirect/own_namespace.hpp"

namespace msi2imds::redirect {
namespace {

struct Pinned {
  loader::Link link;
  std::uint32_t namespace_inode = 0;  // 0: it is gone
};

// Our link that is pinned there; an error if it belongs to another network namespace that still exists.
Result<Pinned> open_ours(const std::string& path) {
  loader::prepare_libbpf();
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    return Error::from_errno(errno, "look for the pin '" + path + "'");
  }
  loader::Link link(bpf_link__open(path.c_str()));
  bpf_link_info info{};
  std::uint32_t size = sizeof info;
  if (!link || bpf_obj_get_info_by_fd(bpf_link__fd(link.get()), &info, &size) != 0 ||
      info.type != BPF_LINK_TYPE_NETNS ||
      !loader::is_our_program(UniqueFd(bpf_prog_get_fd_by_id(info.prog_id)).get())) {
    return Error::from_errno(EEXIST, "use the pin '" + path + "', which is not ours");
  }
  const std::uint32_t inode = info.netns.netns_ino;
  if (inode != 0 && inode != own_namespace()) {
    return Error::from_errno(EEXIST,
                             "use the pin '" + path + "', which belongs to another network namespace");
  }
  return Pinned{.link = std::move(link), .namespace_inode = inode};
}

}  // namespace

Result<loader::Link> open_pinned(const std::string& path) {
  Result<Pinned> pinned = open_ours(path);
  if (!pinned) {
    return pinned.error();
  }
  if (pinned->namespace_inode == 0) {
    return Error::from_errno(ESTALE, "use the pin '" + path + "', whose network namespace is gone");
  }
  return std::move(pinned->link);
}

Result<void> pin(bpf_link& link, const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make '" + directory + "' in the BPF file system");
  }
  if (const int err = bpf_link__pin(&link, path.c_str()); err != 0) {
    return Error::from_errno(-err, "pin '" + path + "'");
  }
  return {};
}

Result<bool> unpin(const std::string& path) {
  const Result<Pinned> pinned = open_ours(path);
  if (!pinned) {
    if (pinned.error().code() == boost::system::errc::no_such_file_or_directory) {
      return false;
    }
    return pinned.error();
  }
  if (::unlink(path.c_str()) != 0) {
    return Error::from_errno(errno, "remove the pin '" + path + "'");
  }
  (void)::rmdir(std::filesystem::path(path).parent_path().c_str());  // stays when somebody else uses it
  return true;
}

}  // namespace msi2imds::redirect
