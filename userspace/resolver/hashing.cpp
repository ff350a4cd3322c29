// SPDX-License-Identifier: MIT
#include "resolver/hashing.hpp"

#include <unistd.h>

#include <memory>
#include <span>

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kPiece = std::size_t{256} * 1024;

}  // namespace

void Hashing::ask(const Question& question) {
  const auto uid = question.clues.has_uid ? std::optional(question.clues.uid) : std::nullopt;
  jobs_.push(users_.of(uid).owner, {.question = question, .key = std::nullopt, .hash = {}, .read = 0});
}

bool Hashing::advance() {
  auto next = jobs_.pop();
  if (!next) {
    return false;
  }
  auto& [owner, job] = *next;
  progress_.step = Step::hash;
  progress_.question = job.question.number;
  progress_.pid = job.question.clues.pid;
  ++progress_.steps;
  if (advance(job)) {
    listener_.hear_hash(job.question.number);
  } else {
    jobs_.push(owner, job);
  }
  return true;
}

bool Hashing::has_settled(const FileKey& file) const {
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  return now - std::chrono::nanoseconds(file.changed) >= settling_;
}

// A program whose hash is known by now is not read again. One that changes while it is read is given up:
// its process runs another program then, or its file has another key.
bool Hashing::advance(Job& job) {
  const ProgramFile program = open_program(proc_, job.question.clues.pid);
  if (!program.problem.empty() || !has_settled(program.key) || hashes_.find(program.key)) {
    return true;
  }
  if (!job.key) {
    job.key = program.key;
    return false;
  }
  return program.key != *job.key || read_piece(job, program);
}

bool Hashing::read_piece(Job& job, const ProgramFile& program) {
  static const auto piece = std::make_unique_for_overwrite<std::uint8_t[]>(kPiece);
  const ssize_t size = ::pread(program.file.get(), piece.get(), kPiece, static_cast<off_t>(job.read));
  if (size < 0) {
    return true;
  }
  job.read += static_cast<std::uint64_t>(size);
  if (size > 0 && job.read <= program.key.size) {
    job.hash.add(std::span(piece.get(), static_cast<std::size_t>(size)));
    return false;
  }
  if (job.read == program.key.size && key_of(program.file) == program.key) {
    hashes_.keep(program.key, job.hash.finish());
  }
  return true;
}

}  // namespace msi2imds::resolver
