// SPDX-License-Identifier: MIT
#include "loader/pinned_link.hpp"

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"

namespace msi2imds::loader {
namespace {

constexpr std::string_view kProgram = "_program_";

// What the pins of a link's programs begin with. No dot: a BPF file system refuses such names.
std::string programs_of(const std::string& path) {
  return path + std::string(kProgram);
}

std::string program_pin(const std::string& path, std::uint32_t id) {
  return programs_of(path) + std::to_string(id);
}

Error not_ours(const std::string& path) {
  return Error::from_errno(EEXIST, "use the pin '" + path + "', which is not ours");
}

// A program that is pinned keeps its number.
bool is_pinned_beside(const std::string& path, std::uint32_t id) {
  const UniqueFd program(bpf_obj_get(program_pin(path, id).c_str()));
  return is_our_program(program.get()) && id_of(program.get()) == id;
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
  return is_our_program(program.get()) ? Result<void>() : not_ours(path);
}

struct Pinned {
  Link link;
  bpf_link_info info{};
};

// Our link of that type that is pinned there.
Result<Pinned> open_ours(const std::string& path, bpf_link_type type) {
  prepare_libbpf();
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    return Error::from_errno(errno, "look for the pin '" + path + "'");
  }
  Pinned pinned{.link = Link(bpf_link__open(path.c_str()))};
  if (!pinned.link || !describe(*pinned.link, pinned.info) || pinned.info.type != type) {
    return not_ours(path);
  }
  const Result<void> ours = is_ours(path, pinned.info);
  return ours ? Result<Pinned>(std::move(pinned)) : ours.error();
}

Result<void> is_attached_to(const LinkPlace& place, const bpf_link_info& info, const std::string& path) {
  const bool is_cgroup = place.type == BPF_LINK_TYPE_CGROUP;
  const std::string what = is_cgroup ? "cgroup" : "network namespace";
  const std::uint64_t number = is_cgroup ? info.cgroup.cgroup_id : info.netns.netns_ino;
  const std::uint32_t hook = is_cgroup ? info.cgroup.attach_type : info.netns.attach_type;
  if (number == 0) {
    return Error::from_errno(ESTALE, "use the pin '" + path + "', whose " + what + " is gone");
  }
  if (number != place.number) {
    return Error::from_errno(EEXIST, "use the pin '" + path + "', which belongs to another " + what);
  }
  return hook == static_cast<std::uint32_t>(place.hook) ? Result<void>() : not_ours(path);
}

Result<void> pin_program(const bpf_program& program, const std::string& path) {
  const int fd = bpf_program__fd(&program);
  const std::string own = program_pin(path, id_of(fd));
  if (bpf_obj_pin(fd, own.c_str()) != 0 && errno != EEXIST) {  // EEXIST: an earlier replacement pinned it
    return Error::from_errno(errno, "pin '" + own + "'");
  }
  return {};
}

std::vector<std::string> names_that_begin_with(const std::string& start) {
  const std::filesystem::path path(start);
  std::error_code ec;
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator entry(path.parent_path(), ec), end; !ec && entry != end;
       entry.increment(ec)) {
    if (entry->path().filename().string().starts_with(path.filename().string())) {
      found.push_back(entry->path().string());
    }
  }
  return found;
}

// One that is left costs memory and is tried again: failures need not be told.
void unpin_programs_but(const std::string& kept, const std::string& path) {
  for (const std::string& program : names_that_begin_with(programs_of(path))) {
    if (program != kept) {
      (void)::unlink(program.c_str());
    }
  }
}

void unpin_earlier_programs(const bpf_program& program, const std::string& path) {
  unpin_programs_but(program_pin(path, id_of(bpf_program__fd(&program))), path);
}

bool is_in_bpf_file_system(const std::filesystem::path& directory) {
  struct statfs found {};
  return ::statfs(directory.c_str(), &found) == 0 && static_cast<std::uint32_t>(found.f_type) == BPF_FS_MAGIC;
}

void remove_directory_of(const std::string& path) {
  (void)::rmdir(std::filesystem::path(path).parent_path().c_str());  // stays when somebody else uses it
}

}  // namespace

Result<Link> open_pinned(const std::string& path, const LinkPlace& place) {
  Result<Pinned> pinned = open_ours(path, place.type);
  if (!pinned) {
    return pinned.error();
  }
  const Result<void> attached = is_attached_to(place, pinned->info, path);
  return attached ? Result<Link>(std::move(pinned->link)) : attached.error();
}

Result<void> pin(bpf_link& link, const bpf_program& program, const std::string& path) {
  if (bpf_link_info info{}; !describe(link, info)) {  // before 5.8, nobody could tell whose it is
    return Error::from_errno(errno, "ask the kernel about a link");
  }
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (!is_in_bpf_file_system(directory) && !is_in_bpf_file_system(directory.parent_path())) {
    return Error::from_errno(ENODEV, "pin '" + path + "': there is no BPF file system");
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, "make '" + directory.string() + "' in the BPF file system");
  }
  Result<void> pinned = pin_program(program, path);
  if (!pinned) {
    remove_directory_of(path);
    return pinned;
  }
  if (bpf_obj_pin(bpf_link__fd(&link), path.c_str()) != 0) {
    const int err = errno;
    (void)::unlink(program_pin(path, id_of(bpf_program__fd(&program))).c_str());
    return Error::from_errno(err, "pin '" + path + "'");
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

Result<bool> unpin(const std::string& path, const LinkPlace& place) {
  const Result<Link> pinned = open_pinned(path, place);
  if (!pinned && pinned.error().code() == boost::system::errc::no_such_file_or_directory) {
    return false;
  }
  if (!pinned && pinned.error().code().value() != ESTALE) {
    return pinned.error();
  }
  const Result<void> removed = remove_pins(path);
  return removed ? Result<bool>(true) : removed.error();
}

Result<void> remove_pins(const std::string& path) {
  const Link link(bpf_link__open(path.c_str()));
  if (::unlink(path.c_str()) != 0) {
    return Error::from_errno(errno, "remove the pin '" + path + "'");
  }
  if (link) {
    (void)bpf_link__detach(link.get());  // at once; before 5.9 the kernel does it a moment later
  }
  unpin_programs_but({}, path);
  remove_directory_of(path);
  return {};
}

std::vector<std::string> find_pins(const std::string& directory, const std::string& prefix,
                                   bpf_link_type type) {
  std::vector<std::string> found =
      names_that_begin_with((std::filesystem::path(directory) / prefix).string());
  std::erase_if(found, [type](const std::string& path) { return !open_ours(path, type); });
  return found;
}

Result<std::vector<std::string>> remove_pins_but(const std::vector<std::string>& kept,
                                                 const std::string& directory, const std::string& prefix,
                                                 bpf_link_type type) {
  const auto is_kept = [&kept](const std::string& path) {
    return std::find(kept.begin(), kept.end(), path) != kept.end();
  };
  std::vector<std::string> links = find_pins(directory, prefix, type);
  std::erase_if(links, is_kept);
  for (const std::string& link : links) {
    const Result<void> removed = remove_pins(link);
    if (!removed) {
      return removed.error();
    }
  }
  for (const std::string& path :
       names_that_begin_with((std::filesystem::path(directory) / prefix).string())) {
    const std::string link = path.substr(0, path.rfind(kProgram));
    if (link != path && !is_kept(link) && is_our_program(UniqueFd(bpf_obj_get(path.c_str())).get())) {
      (void)::unlink(path.c_str());
      remove_directory_of(path);
    }
  }
  return links;
}

}  // namespace msi2imds::loader
