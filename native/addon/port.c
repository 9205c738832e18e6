/* A port of the host that others shall not have: a socket bound to it that neither listens nor reads. */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What comes to a datagram socket although a packet filter should have led it elsewhere is dropped, not queued. */
static int drop_all(int descriptor) {
  struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  struct sock_fprog program = {.len = 1, .filter = code};
  return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int bind_port(int descriptor, int family, const char *address, int port) {
  if (family == AF_INET) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &place.sin_addr) != 1) return errno = EINVAL, -1;
    return bind(descriptor, (struct sockaddr *)&place, sizeof place);
  }
  struct sockaddr_in6 place = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (inet_pton(AF_INET6, address, &place.sin6_addr) != 1) return errno = EINVAL, -1;
  return bind(descriptor, (struct sockaddr *)&place, sizeof place);
}

static void port_bind_work(struct visit *visit) {
  int family = strchr(visit->path, ':') ? AF_INET6 : AF_INET;
  int type = visit->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  int one = 1;
  int descriptor = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, visit->protocol);
  if (descriptor < 0) {
    fail(visit, "socket");
    return;
  }
  /* The other family is held by a socket of its own, or is somebody else's. */
  if ((family == AF_INET6 && setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
      (visit->reuse && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) ||
      (type == SOCK_DGRAM && drop_all(descriptor) < 0))
    fail(visit, "setsockopt");
  else if (bind_port(descriptor, family, visit->path, visit->port) < 0)
    fail(visit, "bind");
  if (visit->error)
    close(descriptor);
  else
    visit->descriptor = descriptor;
}

/* bindPort(netns, protocol, address, port, reuse) -> descriptor */
napi_value port_bind(napi_env env, napi_callback_info info) {
  size_t count = 5;
  napi_value arguments[5], result = NULL;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, port_bind_work);
  if (!visit) return NULL;
  if (int_argument(env, arguments[0], &visit->netns) && int_argument(env, arguments[1], &visit->protocol) &&
      text_argument(env, arguments[2], visit->path, sizeof visit->path) &&
      int_argument(env, arguments[3], &visit->port) && int_argument(env, arguments[4], &visit->reuse) &&
      run_visit(env, visit))
    napi_create_int32(env, visit->descriptor, &result);
  free(visit);
  return result;
}
