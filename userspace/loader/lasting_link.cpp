// SPDX-License-Identifier: MIT
#include "loader/lasting_link.hpp"

#include <bpf/bpf.h>

#include <cerrno>
#include <utility>

#include "base/unique_fd.hpp"

namespace msi2imds::loader {
namespace {

bool is_free(const Result<Link>& found) {
  return !found && found.error().code() == boost::system::errc::no_such_file_or_directory;
}

bool is_stale(const Result<Link>& found) {
  return !found && found.error().code().value() == ESTALE;
}

}  // namespace

LastingLink::LastingLink(Link link, const bpf_program& program, const LinkPlace& place, std::string pin)
    : link_(std::move(link)), program_(&program), place_(place), pin_(std::move(pin)) {}

LastingLink::LastingLink(LastingLink&& other) noexcept
    : link_(std::move(other.link_)),
      program_(other.program_),
      place_(other.place_),
      pin_(std::exchange(other.pin_, {})),
      why_not_pinned_(std::move(other.why_not_pinned_)) {}

LastingLink::~LastingLink() {
  if (!link_ || !is_pinned()) {
    return;
  }
  const Result<void> checked = check();
  const bool is_anothers = !checked && checked.error().code() == boost::system::errc::device_or_resource_busy;
  if (!is_anothers) {
    (void)remove_pins(pin_);  // somebody may have done it
  }
}

Result<LastingLink> LastingLink::make(bpf_program& program, const LinkPlace& place, std::string pin,
                                      const Attach& attach) {
  Result<Link> found = pin.empty() ? Result<Link>(Link()) : open_pinned(pin, place);
  if (found && *found) {
    const Result<void> replaced = replace_program(**found, program, pin);
    return replaced ? Result<LastingLink>(LastingLink(std::move(*found), program, place, std::move(pin)))
                    : replaced.error();
  }
  Result<Link> link = attach();
  if (!link) {
    return link.error();
  }
  LastingLink made(std::move(*link), program, place, std::move(pin));
  (void)made.keep_pinned();
  return made;
}

Result<void> LastingLink::check() const {
  bpf_link_info info{};
  if (!describe(*link_, info)) {
    return Error::from_errno(errno, "query a link");
  }
  const std::uint64_t number =
      place_.type == BPF_LINK_TYPE_CGROUP ? info.cgroup.cgroup_id : info.netns.netns_ino;
  const std::string name = bpf_program__name(program_);
  if (number == 0) {
    return Error::from_errno(ENOLINK, "find " + name + " where it was attached");
  }
  if (info.prog_id != id_of(bpf_program__fd(program_))) {
    return Error::from_errno(EBUSY, "keep " + name + " attached: another process has replaced it");
  }
  return {};
}

bool LastingLink::is_pinned() const {
  if (pin_.empty()) {
    return false;
  }
  const UniqueFd found(bpf_obj_get(pin_.c_str()));
  bpf_link_info there{};
  bpf_link_info ours{};
  std::uint32_t size = sizeof there;
  return found && bpf_obj_get_info_by_fd(found.get(), &there, &size) == 0 && describe(*link_, ours) &&
         there.type == ours.type && there.id == ours.id;
}

bool LastingLink::keep_pinned() {
  if (pin_.empty() || is_pinned()) {
    return !pin_.empty();
  }
  const Result<void> pinned = pin_anew();
  why_not_pinned_ = pinned ? std::string() : pinned.error().message();
  return static_cast<bool>(pinned);
}

// Whatever else is pinned there stays.
Result<void> LastingLink::pin_anew() {
  const Result<Link> found = open_pinned(pin_, place_);
  if (found) {
    return Error::from_errno(EBUSY, "use the pin '" + pin_ + "', which another process has made meanwhile");
  }
  if (is_stale(found)) {
    Result<void> removed = remove_pins(pin_);
    if (!removed) {
      return removed;
    }
  } else if (!is_free(found)) {
    return found.error();
  }
  return loader::pin(*link_, *program_, pin_);
}

void LastingLink::hand_over() {
  pin_.clear();
}

}  // namespace msi2imds::loader
