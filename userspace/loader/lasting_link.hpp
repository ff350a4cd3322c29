// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/libbpf.h>

#include <functional>
#include <string>

#include "base/error.hpp"
#include "loader/libbpf.hpp"
#include "loader/pinned_link.hpp"

namespace msi2imds::loader {

// A link that can be left to the process after this one: it is pinned from the start, so that it stays when
// this process is killed. Destroying it detaches its program, unless hand_over() was called, or somebody
// after us has given the link a program of his own.
class LastingLink {
 public:
  using Attach = std::function<Result<Link>()>;

  // Where an earlier process has left its link pinned at `pin`, `program` replaces its program, atomically.
  // Else the program is attached, and pinned if that can be done: why_not_pinned(). Without `pin` it is not
  // to be pinned.
  static Result<LastingLink> make(bpf_program& program, const LinkPlace& place, std::string pin,
                                  const Attach& attach);

  LastingLink(LastingLink&& other) noexcept;
  LastingLink& operator=(LastingLink&&) = delete;
  LastingLink(const LastingLink&) = delete;
  LastingLink& operator=(const LastingLink&) = delete;
  ~LastingLink();

  // Whether it is attached, with our program. Fails with EBUSY when it has another's.
  [[nodiscard]] Result<void> check() const;

  // Pins it again where it has a pin() and that is gone: somebody may have unmounted the BPF file system.
  // False: it is not pinned.
  bool keep_pinned();

  // From here on the link stays after this object is destroyed, if it is pinned.
  void hand_over();

  // Empty where it is pinned, or was not asked to be.
  [[nodiscard]] const std::string& why_not_pinned() const {
    return why_not_pinned_;
  }

  // The path at which it is to be pinned; empty where it is not to be.
  [[nodiscard]] const std::string& pin() const {
    return pin_;
  }

  [[nodiscard]] bpf_link& get() const {
    return *link_;
  }

 private:
  LastingLink(Link link, const bpf_program& program, const LinkPlace& place, std::string pin);
  [[nodiscard]] bool is_pinned() const;
  [[nodiscard]] Result<void> pin_anew();

  Link link_;
  const bpf_program* program_;
  LinkPlace place_;
  std::string pin_;
  std::string why_not_pinned_;
};

}  // namespace msi2imds::loader
