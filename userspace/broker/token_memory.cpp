// SPDX-License-Identifier: MIT
#include "broker/token_memory.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "base/secret.hpp"

namespace msi2imds::broker {

// A place of the directory; free, if it is all zeros.
struct TokenMemory::Entry {
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  std::uint32_t record_sum = 0;
  std::uint32_t place = 0;
  std::uint32_t reserved = 0;
  std::uint32_t sum = 0;  // of all before it
};

struct TokenMemory::Directory {
  std::vector<Entry> entries;  // that are whole
  std::vector<Place> damaged;
};

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSmallestFile = 64UL * 1024;
constexpr std::uint64_t kLargestFile = 4UL * 1024 * 1024 * 1024;
constexpr std::uint64_t kGrain = 64;            // records begin and end at multiples
constexpr std::uint64_t kBytesForAPlace = 512;  // of the file
constexpr std::uint64_t kPlaceSize = 32;
constexpr std::uint64_t kNextRequestAt = 128;
constexpr std::uint64_t kDirectoryAt = kPage;
constexpr std::array<char, 8> kMagic = {'m', 's', 'i', '2', 'i', 'm', 'd', 's'};
constexpr std::uint32_t kVersion = 1;

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint64_t size = 0;
  std::uint32_t version = kVersion;
  std::uint32_t issuer_sum = 0;
  std::uint32_t reserved = 0;
  std::uint32_t sum = 0;  // of all before it
};

struct NextRequest {
  std::int64_t nanoseconds = 0;
  std::uint32_t reserved = 0;
  std::uint32_t sum = 0;  // of all before it
};

std::uint32_t sum_of(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

template <typename Part>
std::string_view bytes_of_part(const Part& part) {
  static_assert(std::has_unique_object_representations_v<Part>, "no byte of it is left to chance");
  return {reinterpret_cast<const char*>(&part), sizeof part};
}

template <typename Part>
std::uint32_t sum_of_part(const Part& part) {
  return sum_of(bytes_of_part(part).substr(0, sizeof part - sizeof part.sum));
}

template <typename Part>
bool read_part(int file, std::uint64_t at, Part& part) {
  return ::pread(file, &part, sizeof part, static_cast<off_t>(at)) == static_cast<ssize_t>(sizeof part) &&
         part.sum == sum_of_part(part);
}

std::uint64_t round_up(std::uint64_t number, std::uint64_t multiple) {
  return (number + multiple - 1) / multiple * multiple;
}

std::uint64_t places_in(std::uint64_t file_size) {
  return file_size / kBytesForAPlace;
}

// Where the directory ends and records begin.
std::uint64_t records_at(std::uint64_t file_size) {
  return round_up(kDirectoryAt + places_in(file_size) * kPlaceSize, kPage);
}

}  // namespace

TokenMemory::~TokenMemory() {
  close();
}

Result<std::vector<TokenMemory::Found>> TokenMemory::open(UniqueFd file, std::string_view issuer,
                                                          const Moment& now) {
  close();
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) {
    return Error::from_errno(errno, "look at the memory for tokens");
  }
  const auto size = static_cast<std::uint64_t>(found.st_size);
  if (size < kSmallestFile || size > kLargestFile || size % kPage != 0) {
    return Error::from_errno(EINVAL, "keep tokens in a memory of " + std::to_string(size) + " bytes");
  }
  file_ = std::move(file);
  issuer_sum_ = sum_of(issuer);
  size_ = size;
  map();
  size_ = laid_out_size();
  Result<std::vector<Found>> kept = std::vector<Found>();
  if (size_ != 0) {
    kept = take_over(now);
  }
  if (kept && size_ != size) {
    size_ = size;
    kept = lay_out_anew(std::move(*kept));
  }
  if (!kept) {
    (void)wipe_file(file_.get(), 0, size);
    close();
  }
  return kept;
}

void TokenMemory::close() {
  if (mapped_ != nullptr) {
    (void)::munmap(std::exchange(mapped_, nullptr), mapped_size_);
  }
  file_.reset();
  size_ = 0;
  locked_up_to_ = 0;
  records_.clear();
  room_ = Room();
  places_ = Room();
}

// Without it, nothing can be locked.
void TokenMemory::map() {
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_.get(), 0);
  if (mapped != MAP_FAILED) {
    mapped_ = mapped;
    mapped_size_ = size_;
    leave_out_of_dumps(mapped_, mapped_size_);
  }
}

// The part of the file that is in use: less than all of it, where that has grown; 0: nothing in it is ours.
std::uint64_t TokenMemory::laid_out_size() const {
  Header header;
  const bool is_ours = read_part(file_.get(), 0, header) && header.magic == kMagic &&
                       header.version == kVersion && header.issuer_sum == issuer_sum_;
  const bool is_inside = header.size >= kSmallestFile && header.size <= size_ && header.size % kPage == 0;
  return is_ours && is_inside ? header.size : 0;
}

Result<void> TokenMemory::begin_anew() {
  Result<void> wiped = wipe_file(file_.get(), 0, size_);
  if (!wiped) {
    return wiped;
  }
  Header header;
  header.size = size_;
  header.issuer_sum = issuer_sum_;
  header.sum = sum_of_part(header);
  if (!write(0, bytes_of_part(header))) {
    return Error::from_errno(errno, "write to the memory for tokens");
  }
  records_.clear();
  room_ = Room();
  places_ = Room();
  find_places();
  return find_room();
}

Result<std::vector<TokenMemory::Found>> TokenMemory::lay_out_anew(std::vector<Found> found) {
  const std::optional<SteadyTime> next = next_request();
  const Result<void> begun = begin_anew();
  if (!begun) {
    return begun.error();
  }
  if (next) {
    note_next_request(*next);
  }
  std::vector<Found> kept;
  for (Found& one : found) {
    if (const std::optional<Place> place = put(one.record)) {
      kept.push_back({.place = *place, .record = std::move(one.record)});
    }
  }
  return kept;
}

TokenMemory::Directory TokenMemory::read_directory() const {
  static_assert(sizeof(Entry) == kPlaceSize);
  constexpr std::size_t kAtOnce = 128;
  Directory directory;
  std::array<Entry, kAtOnce> entries;
  for (std::uint64_t first = 0; first < places_in(size_); first += kAtOnce) {
    entries.fill({});
    (void)::pread(file_.get(), entries.data(), sizeof entries,
                  static_cast<off_t>(kDirectoryAt + first * kPlaceSize));
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(kAtOnce, places_in(size_) - first); ++i) {
      const Entry& entry = entries.at(i);
      const std::uint64_t place = first + i;
      if (bytes_of_part(entry).find_first_not_of('\0') == std::string_view::npos) {
        continue;
      }
      const bool is_whole = entry.sum == sum_of_part(entry) && entry.place == place &&
                            entry.at % kGrain == 0 && entry.at >= records_at(size_) && entry.size > 0 &&
                            entry.at < size_ && entry.size <= size_ - entry.at;
      if (is_whole) {
        directory.entries.push_back(entry);
      } else {
        directory.damaged.push_back(static_cast<Place>(place));
      }
    }
  }
  return directory;
}

std::optional<TokenRecord> TokenMemory::read_record(const Entry& entry, const Moment& now) const {
  SecretString bytes(entry.size, '\0');
  const ssize_t size = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(entry.at));
  return size == static_cast<ssize_t>(bytes.size()) && sum_of(bytes) == entry.record_sum ? decode(bytes, now)
                                                                                         : std::nullopt;
}

// What is whole stays where it is; all the rest is overwritten.
Result<std::vector<TokenMemory::Found>> TokenMemory::take_over(const Moment& now) {
  Directory directory = read_directory();
  std::sort(directory.entries.begin(), directory.entries.end(),
            [](const Entry& a, const Entry& b) { return a.at < b.at; });
  std::vector<Found> found;
  std::uint64_t end = records_at(size_);
  for (const Entry& entry : directory.entries) {
    const Extent extent{.at = entry.at, .size = round_up(entry.size, kGrain)};
    std::optional<TokenRecord> record = extent.at >= end ? read_record(entry, now) : std::nullopt;
    end = std::max(end, extent.end());  // so that nothing is read twice
    if (!record) {
      directory.damaged.push_back(entry.place);
      continue;
    }
    records_.emplace(entry.place, extent);
    lock_up_to(extent.end());
    found.push_back({.place = entry.place, .record = *std::move(record)});
  }
  for (const Place place : directory.damaged) {
    clear(place);
  }
  find_places();
  const Result<void> rest = find_room();
  return rest ? Result<std::vector<Found>>(std::move(found)) : rest.error();
}

void TokenMemory::find_places() {
  std::uint64_t free = 0;
  for (const auto& [place, extent] : records_) {
    places_.give({.at = free, .size = place - free});
    free = place + 1UL;
  }
  places_.give({.at = free, .size = places_in(size_) - free});
}

// All that no record needs, overwritten.
Result<void> TokenMemory::find_room() {
  std::vector<Extent> taken;
  for (const auto& [place, extent] : records_) {
    taken.push_back(extent);
  }
  taken.push_back({.at = size_, .size = 0});
  std::sort(taken.begin(), taken.end(), [](const Extent& a, const Extent& b) { return a.at < b.at; });
  std::uint64_t free = records_at(size_);
  for (const Extent& extent : taken) {
    Result<void> wiped = wipe_file(file_.get(), free, extent.at);
    if (!wiped) {
      return wiped;
    }
    room_.give({.at = free, .size = extent.at - free});
    free = extent.end();
  }
  return {};
}

std::optional<TokenMemory::Place> TokenMemory::put(const TokenRecord& record) {
  if (!file_) {
    return std::nullopt;
  }
  const SecretString bytes = encode(record);
  const std::optional<Extent> extent = room_.take(round_up(bytes.size(), kGrain));
  const std::optional<Extent> free_place = extent ? places_.take(1) : std::nullopt;
  if (!free_place) {
    room_.give(extent.value_or(Extent()));
    return std::nullopt;
  }
  const auto place = static_cast<Place>(free_place->at);
  Entry entry{
      .at = extent->at, .size = bytes.size(), .record_sum = sum_of(bytes), .place = place, .reserved = 0};
  entry.sum = sum_of_part(entry);
  records_.emplace(place, *extent);
  if (!write(extent->at, bytes) || !write(kDirectoryAt + place * kPlaceSize, bytes_of_part(entry))) {
    wipe(place);
    return std::nullopt;
  }
  lock_up_to(extent->end());
  return place;
}

void TokenMemory::wipe(Place place) {
  const auto record = records_.find(place);
  if (record == records_.end()) {
    return;
  }
  const Extent extent = record->second;
  clear(place);
  (void)wipe_file(file_.get(), extent.at, extent.end());  // pages that are there can be written to
  records_.erase(record);
  room_.give(extent);
  places_.give({.at = place, .size = 1});
}

void TokenMemory::clear(Place place) {
  const Entry nothing;
  (void)write(kDirectoryAt + place * kPlaceSize, bytes_of_part(nothing));
}

bool TokenMemory::write(std::uint64_t at, std::string_view bytes) {
  return ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
         static_cast<ssize_t>(bytes.size());
}

// All from the first record on, as one: the kernel keeps a list of what is locked and what is not.
void TokenMemory::lock_up_to(std::uint64_t end) {
  end = round_up(end, kPage);
  const std::uint64_t begin = std::max(locked_up_to_, records_at(size_));
  if (mapped_ != nullptr && end > begin && end <= mapped_size_) {
    lock_into_ram(static_cast<char*>(mapped_) + begin, end - begin);
    locked_up_to_ = end;
  }
}

void TokenMemory::note_next_request(SteadyTime time) {
  if (!file_) {
    return;
  }
  NextRequest next{.nanoseconds = std::chrono::nanoseconds(time.time_since_epoch()).count()};
  next.sum = sum_of_part(next);
  (void)write(kNextRequestAt, bytes_of_part(next));
}

std::optional<SteadyTime> TokenMemory::next_request() const {
  NextRequest next;
  return file_ && read_part(file_.get(), kNextRequestAt, next)
             ? std::optional(SteadyTime(std::chrono::nanoseconds(next.nanoseconds)))
             : std::nullopt;
}

}  // namespace msi2imds::broker
