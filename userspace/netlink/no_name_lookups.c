// SPDX-License-Identifier: MIT

// Take the place of the C library's in a static binary. Only libnl's functions for names refer to them, and
// we call none of those; the real ones would load shared libraries at run time.
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                struct addrinfo** result) {
  (void)node;
  (void)service;
  (void)hints;
  *result = NULL;
  return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo* result) {
  (void)result;
}

int getnameinfo(const struct sockaddr* address, socklen_t address_size, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags) {
  (void)address;
  (void)address_size;
  (void)host;
  (void)host_size;
  (void)service;
  (void)service_size;
  (void)flags;
  return EAI_FAIL;
}

struct protoent* getprotobyname(const char* name) {
  (void)name;
  return NULL;
}

struct protoent* getprotobynumber(int number) {
  (void)number;
  return NULL;
}
