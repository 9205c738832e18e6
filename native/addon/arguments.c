/* What JavaScript hands over and what is thrown back at it. */
#include "addon.h"

#include <stdio.h>
#include <string.h>

napi_value throw_errno(napi_env env, int number, const char *call) {
  napi_value message, error, value;
  char text[256];
  snprintf(text, sizeof text, "%s: %s", call, strerror(number));
  CHECK(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message));
  CHECK(env, napi_create_error(env, NULL, message, &error));
  CHECK(env, napi_create_int32(env, number, &value));
  CHECK(env, napi_set_named_property(env, error, "errno", value));
  CHECK(env, napi_create_string_utf8(env, call, NAPI_AUTO_LENGTH, &value));
  CHECK(env, napi_set_named_property(env, error, "syscall", value));
  napi_throw(env, error);
  return NULL;
}

bool int_argument(napi_env env, napi_value value, int *out) {
  int32_t number;
  if (napi_get_value_int32(env, value, &number) != napi_ok) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a number is expected");
    return false;
  }
  *out = number;
  return true;
}

bool text_argument(napi_env env, napi_value value, char *out, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a string of limited length is expected");
    return false;
  }
  return napi_get_value_string_utf8(env, value, out, size, &length) == napi_ok;
}
