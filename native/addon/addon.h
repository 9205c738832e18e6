/*
 * netlink-ts addon: what JavaScript cannot do itself. Sockets in a namespace given by descriptor, receiving through the
 * event loop (socket.c), namespace files (namespace.c), per-namespace sysctls (sysctl.c), held ports (port.c), frames
 * (frame.c), socket options (option.c), sd_notify (notify.c), flock (lock.c). No parsing, no policy, no global mutable
 * state: each environment (main thread, worker) owns its sockets and ends them in an asynchronous cleanup hook.
 */
#ifndef NETLINK_TS_ADDON_H
#define NETLINK_TS_ADDON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <node_api.h>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define CHECK(env, call)                                                     \
  do {                                                                       \
    if ((call) != napi_ok) {                                                 \
      napi_throw_error((env), "EINVAL", "netlink addon: " #call " failed");  \
      return NULL;                                                           \
    }                                                                        \
  } while (0)

/* ---- arguments.c ---- */

/* Throws an Error with `errno` (positive number) and `syscall`; the TypeScript side names it. */
napi_value throw_errno(napi_env env, int number, const char *call);

/* False and a pending exception when the value is of another type, or too long for `size`. */
bool int_argument(napi_env env, napi_value value, int *out);
bool text_argument(napi_env env, napi_value value, char *out, size_t size);

/* ---- visit.c: work in another namespace ---- */

#define VALUE_LENGTH 4096

/* setns(2) and unshare(2) change the calling thread only, so they happen in a thread made for the one call, which ends
 * with it; the event loop's thread never leaves its namespace. */
struct visit {
  int netns; /* descriptor, or -1 for the caller's own namespace */
  void (*work)(struct visit *);
  int error;
  const char *call;
  int protocol; /* of a socket to open */
  int index;    /* of a link to send on */
  int descriptor;
  int port;
  int reuse;
  int family; /* of a socket to ask */
  int level;
  int option;
  void *buffer; /* of `length` bytes, read and written */
  char path[PATH_MAX];
  char value[VALUE_LENGTH];
  size_t length;
};

/* Empty, to be freed by the caller; NULL and a pending exception where there is no memory. */
struct visit *new_visit(napi_env env, void (*work)(struct visit *));

/* Said by the work, of errno. */
void fail(struct visit *visit, const char *call);

/* Runs the work in its namespace; false and a pending exception when it failed. */
bool run_visit(napi_env env, struct visit *visit);

/* The same in a thread of its own in any case: for work that itself leaves the namespace. */
bool run_in_thread(napi_env env, struct visit *visit);

/* ---- what JavaScript may call; each says its arguments where it is defined ---- */

napi_value socket_open(napi_env env, napi_callback_info info);
napi_value socket_send(napi_env env, napi_callback_info info);
napi_value socket_join(napi_env env, napi_callback_info info);
napi_value socket_hold(napi_env env, napi_callback_info info);
napi_value socket_close(napi_env env, napi_callback_info info);
napi_value namespace_open(napi_env env, napi_callback_info info);
napi_value descriptor_close(napi_env env, napi_callback_info info);
napi_value namespace_create(napi_env env, napi_callback_info info);
napi_value namespace_unmount(napi_env env, napi_callback_info info);
napi_value sysctl_write(napi_env env, napi_callback_info info);
napi_value sysctl_read(napi_env env, napi_callback_info info);
napi_value port_bind(napi_env env, napi_callback_info info);
napi_value frame_send(napi_env env, napi_callback_info info);
napi_value option_read(napi_env env, napi_callback_info info);
napi_value service_notify(napi_env env, napi_callback_info info);
napi_value file_lock(napi_env env, napi_callback_info info);

#endif
