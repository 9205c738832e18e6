/* Settings below /proc/sys/net and counters below /proc/thread-self/net: both show the namespace of the thread that opens them. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sysctl_write_work(struct visit *visit) {
  int file = open(visit->path, O_WRONLY | O_CLOEXEC);
  if (file < 0) {
    fail(visit, "open");
    return;
  }
  if (write(file, visit->value, visit->length) < 0) fail(visit, "write");
  close(file);
}

static void sysctl_read_work(struct visit *visit) {
  int file = open(visit->path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    fail(visit, "open");
    return;
  }
  ssize_t got = read(file, visit->value, sizeof visit->value);
  if (got < 0)
    fail(visit, "read");
  else
    visit->length = got;
  close(file);
}

/* writeSysctl(netns, path below /proc/sys, value) */
napi_value sysctl_write(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, sysctl_write_work);
  if (!visit) return NULL;
  bool ok = int_argument(env, arguments[0], &visit->netns) &&
            text_argument(env, arguments[1], visit->path, sizeof visit->path) &&
            text_argument(env, arguments[2], visit->value, sizeof visit->value);
  visit->length = strlen(visit->value);
  ok = ok && run_visit(env, visit);
  free(visit);
  if (!ok) return NULL;
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* readSysctl(netns, path) -> its first VALUE_LENGTH bytes */
napi_value sysctl_read(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result = NULL;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, sysctl_read_work);
  if (!visit) return NULL;
  if (int_argument(env, arguments[0], &visit->netns) &&
      text_argument(env, arguments[1], visit->path, sizeof visit->path) && run_visit(env, visit))
    napi_create_string_utf8(env, visit->value, visit->length, &result);
  free(visit);
  return result;
}
