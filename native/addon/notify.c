/* sd_notify(3): Node has no unix datagram sockets of its own. */
#include "addon.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_LENGTH 4096

/* notify(path, message): one datagram to a service manager's socket; "@name" is an abstract one (sd_notify(3)) */
napi_value service_notify(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], none;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char message[MESSAGE_LENGTH];
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  if (!text_argument(env, arguments[0], address.sun_path, sizeof address.sun_path) ||
      !text_argument(env, arguments[1], message, sizeof message))
    return NULL;
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return throw_errno(env, errno, "socket");
  ssize_t sent = sendto(descriptor, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
  int error = errno;
  close(descriptor);
  if (sent < 0) return throw_errno(env, error, "sendmsg");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}
