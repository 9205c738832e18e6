/* Options of raw sockets that tell of their namespace: iptables-legacy reads its tables by them. */
#include "addon.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void option_read_work(struct visit *visit) {
  int descriptor = socket(visit->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (descriptor < 0) {
    fail(visit, "socket");
    return;
  }
  socklen_t length = visit->length;
  if (getsockopt(descriptor, visit->level, visit->option, visit->buffer, &length) < 0)
    fail(visit, "getsockopt");
  else
    visit->length = length;
  close(descriptor);
}

/* readOption(netns, family, level, option, buffer) -> length of the answer, which takes the place of the question */
napi_value option_read(napi_env env, napi_callback_info info) {
  size_t count = 5;
  napi_value arguments[5], result = NULL;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, option_read_work);
  if (!visit) return NULL;
  bool ok = int_argument(env, arguments[0], &visit->netns) && int_argument(env, arguments[1], &visit->family) &&
            int_argument(env, arguments[2], &visit->level) && int_argument(env, arguments[3], &visit->option);
  if (ok && napi_get_buffer_info(env, arguments[4], &visit->buffer, &visit->length) != napi_ok) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a buffer is expected");
    ok = false;
  }
  if (ok && run_visit(env, visit)) napi_create_uint32(env, visit->length, &result);
  free(visit);
  return result;
}
