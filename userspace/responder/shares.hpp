// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <map>

#include "base/holder.hpp"

namespace msi2imds::responder {

using SharerHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<class SharerTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// Something that takes a part of what is shared, and gives it back when it has to.
class Sharer : public SharerHook {
 public:
  explicit Sharer(const Holder& holder) : holder_(holder) {}
  Sharer(const Sharer&) = delete;
  Sharer& operator=(const Sharer&) = delete;

  [[nodiscard]] const Holder& holder() const {
    return holder_;
  }

 protected:
  ~Sharer() = default;

 private:
  friend class Shares;
  // Whether its client has sent something that nobody has read yet: then it waits no longer.
  [[nodiscard]] virtual bool has_unread_input() = 0;
  // Its place and its bytes are somebody else's from here on.
  virtual void give_way() = 0;

  Holder holder_;
  std::size_t input_bytes_ = 0;
};

// Who has how much of the connections, and of the memory for requests that are not whole yet. What runs short
// is taken from whoever has most of it: of the connections that wait for that client, the one that has waited
// for longest.
class Shares {
 public:
  // Takes a place; it waits for its client.
  void add(Sharer& sharer);
  // Gives everything back, unless that has been taken already.
  void remove(Sharer& sharer);

  // Whether a sharer waits for its client, or the client for us; then it need not give way.
  void set_waiting(Sharer& sharer);
  void set_busy(Sharer& sharer);

  // How much memory the part of its request takes that has come. Where all take more than the limit together,
  // whoever has most gives way, which may be this one.
  void set_input_bytes(Sharer& sharer, std::size_t bytes);

  // Whether somebody else has more places.
  [[nodiscard]] bool has_less_than_others(const Holder& holder);

  // Frees a place of whoever has most. False: none of those waits for its client.
  bool make_room();

  [[nodiscard]] std::size_t places() const {
    return places_;
  }
  [[nodiscard]] std::size_t input_bytes() const {
    return input_bytes_;
  }
  // How many had to give way.
  [[nodiscard]] std::size_t gave_way() const {
    return gave_way_;
  }

  static constexpr std::size_t kMostInputBytes = std::size_t{16} * 1024 * 1024;

 private:
  using List = boost::intrusive::list<Sharer, boost::intrusive::base_hook<SharerHook>,
                                      boost::intrusive::constant_time_size<false>>;
  struct Share {
    std::size_t places = 0;
    std::size_t input_bytes = 0;
    List waiting;  // who waits for longest comes first
    List busy;
  };
  using Amount = std::size_t Share::*;
  struct Biggest {
    Holder holder;
    Share* share = nullptr;
    std::size_t of_owner = 0;  // under all his uids
  };

  Biggest biggest(Amount amount);
  bool take_from(const Biggest& biggest);

  std::map<Holder, Share> shares_;  // an owner's uids stand side by side
  std::size_t places_ = 0;
  std::size_t input_bytes_ = 0;
  std::size_t gave_way_ = 0;
};

}  // namespace msi2imds::responder
