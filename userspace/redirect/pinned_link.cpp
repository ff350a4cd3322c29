// SPDX-License-Identifier: MIT
#include "redirect/pinned_link.hpp"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "redirect/own_namespace.hpp"

namespace msi2imds::redirect {
namespace {

struct Pinned {
  loader::Link link;
  std::uint32_t namespace_inode = 0;  // 0: it is gone
};

// What the pins of a link's programs begin with. No dot: a BPF file system refuses such names.
std::string programs_of(const std::string& path) {
  return path + "_program_";
}

std::string program_pin(const std::string& path, std::uint32_t id) {
  return programs_of(path) + std::to_string(id);
}

Result<void> is_ours(const std::string& path, const bpf_link_info& info) {
  if (is_pinned_beside(path, info.prog_id)) {
    return {};
  }
  // Nobody has pinned its program: an earlier version, for instance.
  const UniqueFd program(bpf_prog_get_fd_by_id(info.prog_id));
  if (!program && errno == EPERM) {
    return Error::from_errno(EEXIST,
                             "use the pin '" + path +
                                 "', which may be another's: its program is not pinned beside it, and to "
                                 "look at it takes CAP_SYS_ADMIN");
  }
  if (!loader::is_our_program(program.get())) {
    return Error::from_errno(EEXIST, "use the pin '" + path + "', which is not ours");
  }
  return {};
}

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
      info.type != BPF_LINK_TYPE_NETNS) {
    return Error::from_errno(EEXIST, "use the pin '" + path + "', which is not ours");
  }
  const Result<void> ours = is_ours(path, info);
  if (!ours) {
    return ours.error();
  }
  const std::uint32_t inode = info.netns.netns_ino;
  if (inode != 0 && inode != own_namespace()) {
    return Error::from_errno(EEXIST,
                             "use the pin '" + path + "', which belongs to another network namespace");
  }
  return Pinned{.link = std::move(link), .namespace_inode = inode};
}

Result<void> pin_program(const bpf_program& program, const std::string& path) {
  const int fd = bpf_program__fd(&program);
  const std::string own = program_pin(path, loader::id_of(fd));
  if (bpf_obj_pin(fd, own.c_str()) != 0 && errno != EEXIST) {  // pinned already: by a replacement before
    return Error::from_errno(errno, "pin '" + own + "'");
  }
  return {};
}

// One that is left costs memory and is tried again: failures need not be told.
void unpin_programs_but(const std::string& kept, const std::string& path) {
  std::error_code ec;
  std::vector<std::string> old;
  const std::string directory = std::filesystem::path(path).parent_path().string();
  for (std::filesystem::directory_iterator entry(directory, ec), end; !ec && entry != end;
       entry.increment(ec)) {
    if (entry->path().string().starts_with(programs_of(path)) && entry->path() != kept) {
      old.push_back(entry->path().string());
    }
  }
  for (const std::string& program : old) {
    (void)::unlink(program.c_str());
  }
}

void unpin_earlier_programs(const bpf_program& program, const std::string& path) {
  unpin_programs_but(program_pin(path, loader::id_of(bpf_program__fd(&program))), path);
}

}  // namespace

// A program that is pinned keeps its number.
bool is_pinned_beside(const std::string& path, std::uint32_t id) {
  const UniqueFd program(bpf_obj_get(program_pin(path, id).c_str()));
  return loader::is_our_program(program.get()) && loader::id_of(program.get()) == id;
}

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

Result<void> pin(bpf_link& link, const bpf_program& program, const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make '" + directory + "' in the BPF file system");
  }
  Result<void> pinned = pin_program(program, path);
  if (!pinned) {
    return pinned;
  }
  if (const int err = bpf_link__pin(&link, path.c_str()); err != 0) {
    (void)::unlink(program_pin(path, loader::id_of(bpf_program__fd(&program))).c_str());
    return Error::from_errno(-err, "pin '" + path + "'");
  }
  unpin_earlier_programs(program, path);
  return {};
}

Result<void> replace_program(bpf_link& link, bpf_program& program, const std::string& path) {
  Result<void> pinned = pin_program(program, path);
  if (!pinned) {
    return pinned;
  }
  if (const int err = bpf_link__update_program(&link, &program); err != 0) {
    return Error::from_errno(-err, "replace the program of the pinned link");
  }
  unpin_earlier_programs(program, path);
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
  const Result<void> removed = remove_pins(path);
  return removed ? Result<bool>(true) : removed.error();
}

Result<void> remove_pins(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    return Error::from_errno(errno, "remove the pin '" + path + "'");
  }
  unpin_programs_but({}, path);
  (void)::rmdir(std::filesystem::path(path).parent_path().c_str());  // stays when somebody else uses it
  return {};
}

}  // namespace msi2imds::redirect
