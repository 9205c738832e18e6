/* flock(2): Node has none. The lock goes with the descriptor, so with the process, whatever becomes of it. */
#include "addon.h"

#include <errno.h>
#include <sys/file.h>

/* lock(descriptor): true when it is this descriptor's now, false while another open file of the same inode has it */
napi_value file_lock(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, locked;
  int descriptor;
  CHECK(env, napi_get_cb_info(env, info, &count, &argument, NULL, NULL));
  if (!int_argument(env, argument, &descriptor)) return NULL;
  int failed;
  do failed = flock(descriptor, LOCK_EX | LOCK_NB);
  while (failed && errno == EINTR);
  if (failed && errno != EWOULDBLOCK) return throw_errno(env, errno, "flock");
  CHECK(env, napi_get_boolean(env, !failed, &locked));
  return locked;
}
