/* Frames put on a link as they are: for protocols without a socket of their own, such as ARP. */
#include "addon.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* With protocol 0 the socket receives nothing. */
static void frame_work(struct visit *visit) {
  int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    fail(visit, "socket");
    return;
  }
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = visit->index};
  if (sendto(descriptor, visit->value, visit->length, 0, (struct sockaddr *)&link, sizeof link) < 0)
    fail(visit, "sendto");
  close(descriptor);
}

/* sendFrame(netns, index of the link, buffer) */
napi_value frame_send(napi_env env, napi_callback_info info) {
  size_t count = 3, length;
  napi_value arguments[3], none;
  void *data;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  CHECK(env, napi_get_buffer_info(env, arguments[2], &data, &length));
  if (length > VALUE_LENGTH) return throw_errno(env, EMSGSIZE, "sendto");
  struct visit *visit = new_visit(env, frame_work);
  if (!visit) return NULL;
  memcpy(visit->value, data, length);
  visit->length = length;
  bool ok = int_argument(env, arguments[0], &visit->netns) && int_argument(env, arguments[1], &visit->index) &&
            run_visit(env, visit);
  free(visit);
  if (!ok) return NULL;
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}
