// SPDX-License-Identifier: MIT
#include "config/read.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "config/reader.hpp"

namespace msi2imds::config {
namespace {

constexpr std::size_t kMaxFileSize = std::size_t{1024} * 1024;

// Whoever opens or reads a FIFO or a terminal waits for its other end. O_NONBLOCK changes nothing of a file.
Result<UniqueFd> open_file(const std::filesystem::path& file) {
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const int err = errno;
  struct stat found {};
  if (!fd && (::stat(file.c_str(), &found) != 0 || S_ISREG(found.st_mode))) {
    return Error::from_errno(err, "cannot be opened");
  }
  if (fd && ::fstat(fd.get(), &found) != 0) {
    return Error::from_errno(errno, "cannot be read");
  }
  // By a link to /dev/null a drop-in of somebody else is masked; it reads as an empty file.
  const bool is_null = S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3);
  if (!S_ISREG(found.st_mode) && !is_null) {
    return Error({}, "is no regular file; expected a configuration file");
  }
  return fd;
}

// One byte more than a file may have tells that it has too many.
Result<std::string> read_start(const std::filesystem::path& file) {
  const Result<UniqueFd> fd = open_file(file);
  if (!fd) {
    return fd.error();
  }
  std::string text;
  std::array<char, 16384> chunk{};
  while (text.size() <= kMaxFileSize) {
    const ssize_t count = ::read(fd->get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      const int err = errno;
      return Error::from_errno(err, "cannot be read");
    }
    if (count == 0) {
      break;
    }
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return text;
}

const char* advice_if(bool is_forbidden) {
  return is_forbidden && ::geteuid() != 0 ? "; use sudo" : "";
}

void read_file(const std::filesystem::path& file, Missing missing, Reader& reader) {
  const auto text = read_start(file);
  if (!text) {
    if (missing == Missing::is_an_error ||
        text.error().code() != boost::system::errc::no_such_file_or_directory) {
      const bool is_forbidden = text.error().code() == boost::system::errc::permission_denied;
      reader.cannot_read(file.string(), text.error().message() + advice_if(is_forbidden));
    }
    return;
  }
  if (text->size() > kMaxFileSize) {
    reader.cannot_read(file.string(), "is larger than 1 MiB; expected a configuration file");
    return;
  }
  reader.read(*text, file.string());
}

bool is_drop_in(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  return name.ends_with(".toml") && !name.starts_with('.');  // hidden ones are an editor's
}

// One that somebody may expect to be read ("policy.conf"): not an editor's, nor a drop-in that was put aside
// ("policy.toml.old", or in a directory), nor a note.
bool looks_like_drop_in(const std::filesystem::directory_entry& file) {
  const std::string name = file.path().filename().string();
  std::error_code unknown;
  return name.find('.', 1) != std::string::npos && !name.starts_with('.') && !name.ends_with('~') &&
         !name.starts_with("README") && name.find(".toml") == std::string::npos &&
         !file.is_directory(unknown);
}

// Files of conf.d, in byte order of their names.
struct DropIns {
  std::vector<std::filesystem::path> files;
  std::vector<std::string> not_read;  // since their names are not those of drop-ins
};

// None where the directory is missing.
DropIns list_drop_ins(const std::filesystem::path& directory, Reader& reader) {
  std::error_code ec;
  DropIns found;
  for (std::filesystem::directory_iterator entry(directory, ec), end; !ec && entry != end;
       entry.increment(ec)) {
    if (is_drop_in(entry->path())) {
      found.files.push_back(entry->path());
    } else if (looks_like_drop_in(*entry)) {
      found.not_read.push_back(entry->path().string());
    }
  }
  if (ec && ec != std::errc::no_such_file_or_directory) {
    reader.cannot_read(directory.string(),
                       "cannot be listed: " + ec.message() + advice_if(ec == std::errc::permission_denied));
  }
  std::ranges::sort(found.files, {}, [](const std::filesystem::path& file) { return file.native(); });
  std::ranges::sort(found.not_read);
  return found;
}

Result<Config> without_origins(Result<Sourced> sourced) {
  if (!sourced) {
    return sourced.error();
  }
  return std::move(sourced->config);
}

}  // namespace

Result<Config> parse(std::string_view toml_text, const std::string& file_name) {
  Reader reader;
  reader.read(toml_text, file_name);
  return without_origins(reader.finish());
}

Result<Sourced> load_sourced(const std::filesystem::path& file, Missing missing) {
  Reader reader;
  read_file(file, missing, reader);
  DropIns drop_ins = list_drop_ins(file.parent_path() / "conf.d", reader);
  for (const std::filesystem::path& drop_in : drop_ins.files) {
    read_file(drop_in, Missing::is_an_error, reader);
  }
  Result<Sourced> sourced = reader.finish();
  if (sourced) {
    sourced->config.not_read = std::move(drop_ins.not_read);
  }
  return sourced;
}

std::size_t fingerprint(const std::filesystem::path& file) {
  Reader nobody_reads_its_problems;
  std::vector<std::filesystem::path> files =
      list_drop_ins(file.parent_path() / "conf.d", nobody_reads_its_problems).files;
  files.push_back(file);
  std::string all;
  for (const std::filesystem::path& each : files) {
    const Result<std::string> text = read_start(each);
    all += each.native() + '\0' + (text ? *text : std::string()) + '\0';
  }
  return std::hash<std::string>()(all);
}

Result<Config> load(const std::filesystem::path& file) {
  return without_origins(load_sourced(file, Missing::is_an_error));
}

Result<Config> load_if_present(const std::filesystem::path& file) {
  return without_origins(load_sourced(file, Missing::is_fine));
}

}  // namespace msi2imds::config
