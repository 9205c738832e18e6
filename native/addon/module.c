/* The functions under the names that netlink-ts/socket/addon.ts gives them. */
#include "addon.h"

/* Messages are in the byte order of the host, and the TypeScript side reads and writes little-endian. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "netlink-ts works on little-endian machines only"
#endif

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"open", NULL, socket_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, socket_send, NULL, NULL, NULL, napi_enumerable, NULL},
      {"join", NULL, socket_join, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hold", NULL, socket_hold, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, socket_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openNamespace", NULL, namespace_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeDescriptor", NULL, descriptor_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"createNamespace", NULL, namespace_create, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unmountNamespace", NULL, namespace_unmount, NULL, NULL, NULL, napi_enumerable, NULL},
      {"writeSysctl", NULL, sysctl_write, NULL, NULL, NULL, napi_enumerable, NULL},
      {"bindPort", NULL, port_bind, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sendFrame", NULL, frame_send, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readOption", NULL, option_read, NULL, NULL, NULL, napi_enumerable, NULL},
      {"notify", NULL, service_notify, NULL, NULL, NULL, napi_enumerable, NULL},
      {"lock", NULL, file_lock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readSysctl", NULL, sysctl_read, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  CHECK(env, napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions));
  return exports;
}
