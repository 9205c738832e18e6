/*
 * netlink-ts addon: what JavaScript cannot do itself. Sockets in a namespace given by descriptor, receiving through the
 * event loop, namespace files, per-namespace sysctls. No parsing, no policy, no global mutable state: each environment
 * (main thread, worker) owns its sockets and ends them in an asynchronous cleanup hook.
 *
 * Threads: setns(2) and unshare(2) change the calling thread only, so they happen in a thread made for the one call,
 * which ends with it; the event loop's thread never leaves its namespace.
 */
#define _GNU_SOURCE
#include <node_api.h>
#include <uv.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif
#ifndef NS_GET_NSTYPE
#define NS_GET_NSTYPE _IO(0xb7, 0x3)
#endif
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define SEND_BUFFER (8 * 1024 * 1024)
/* The kernel builds dump parts of at most 32 KiB; larger datagrams are measured with MSG_PEEK|MSG_TRUNC. */
#define DATAGRAM (64 * 1024)
/* Datagrams handed over per turn of the event loop, so that a flood cannot starve it. */
#define DATAGRAMS_PER_TURN 64
#define SYSCTL_LENGTH 4096

#define CHECK(env, call)                                                     \
  do {                                                                       \
    if ((call) != napi_ok) {                                                 \
      napi_throw_error((env), "EINVAL", "netlink addon: " #call " failed");  \
      return NULL;                                                           \
    }                                                                        \
  } while (0)

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* Throws an Error with `errno` (positive number) and `syscall`; the TypeScript side names it. */
static napi_value throw_errno(napi_env env, int number, const char *call) {
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

static bool int_argument(napi_env env, napi_value value, int *out) {
  int32_t number;
  if (napi_get_value_int32(env, value, &number) != napi_ok) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a number is expected");
    return false;
  }
  *out = number;
  return true;
}

static bool text_argument(napi_env env, napi_value value, char *out, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a string of limited length is expected");
    return false;
  }
  return napi_get_value_string_utf8(env, value, out, size, &length) == napi_ok;
}

/* ---- work in another namespace ------------------------------------------------------------------------------- */

struct visit {
  int netns; /* descriptor, or -1 for the caller's own namespace */
  void (*work)(struct visit *);
  int error;
  const char *call;
  int protocol;
  int descriptor;
  char path[PATH_MAX];
  char value[SYSCTL_LENGTH];
  size_t length;
};

static void fail(struct visit *visit, const char *call) {
  visit->error = errno;
  visit->call = call;
}

static void *visit_thread(void *argument) {
  struct visit *visit = argument;
  if (visit->netns >= 0 && setns(visit->netns, CLONE_NEWNET) < 0)
    fail(visit, "setns");
  else
    visit->work(visit);
  return NULL;
}

/* Runs the work in a thread of its own; false and a pending exception when it failed. */
static bool run_visit(napi_env env, struct visit *visit) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, visit_thread, visit);
  if (error) {
    throw_errno(env, error, "pthread_create");
    return false;
  }
  pthread_join(thread, NULL);
  if (visit->error) {
    throw_errno(env, visit->error, visit->call);
    return false;
  }
  return true;
}

/* ---- sockets ------------------------------------------------------------------------------------------------- */

struct nl_socket {
  napi_env env;
  napi_ref callback; /* (datagram: Buffer | null, errno: number) => void */
  napi_async_cleanup_hook_handle hook;
  uv_poll_t poll;
  int descriptor;
  bool closing;
  bool overrun; /* the kernel drops, and says so no second time, until the queue was empty once */
};

static void socket_work(struct visit *visit) {
  visit->descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, visit->protocol);
  if (visit->descriptor < 0) fail(visit, "socket");
}

static void on_readable(uv_poll_t *handle, int status, int events);

static void start_poll(struct nl_socket *socket) { uv_poll_start(&socket->poll, UV_READABLE, on_readable); }

/* Hands one datagram, or an errno, to JavaScript; a throwing listener becomes an uncaught exception. */
static void deliver(struct nl_socket *socket, const void *data, size_t length, int error) {
  napi_env env = socket->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, receiver, arguments[2], exception;
  napi_get_reference_value(env, socket->callback, &callback);
  napi_get_global(env, &receiver);
  if (error)
    napi_get_null(env, &arguments[0]);
  else
    napi_create_buffer_copy(env, length, data, NULL, &arguments[0]);
  napi_create_int32(env, error, &arguments[1]);
  if (napi_make_callback(env, NULL, receiver, callback, 2, arguments, NULL) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
  napi_close_handle_scope(env, scope);
}

static void deliver_error(struct nl_socket *socket, int error) {
  if (error == ENOBUFS) socket->overrun = true;
  deliver(socket, NULL, 0, error);
}

/* False when there is nothing more to read now. */
static bool receive_one(struct nl_socket *socket, char *buffer) {
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  ssize_t need = recv(socket->descriptor, NULL, 0, MSG_PEEK | MSG_TRUNC);
  if (need < 0) {
    if (errno == EAGAIN || errno == EINTR) return errno == EINTR;
    int error = errno;
    deliver_error(socket, error);
    return error == ENOBUFS;
  }
  char *target = buffer;
  if (need > DATAGRAM && !(target = malloc(need))) {
    deliver(socket, NULL, 0, ENOMEM);
    return false;
  }
  ssize_t got = recvfrom(socket->descriptor, target, need > DATAGRAM ? (size_t)need : DATAGRAM, 0,
                         (struct sockaddr *)&from, &size);
  /* Only the kernel (port 0) is believed. */
  if (got >= 0 && from.nl_pid == 0) deliver(socket, target, got, 0);
  if (got < 0 && errno != EAGAIN) deliver_error(socket, errno);
  if (target != buffer) free(target);
  return got >= 0;
}

/*
 * Between an overrun and an empty queue the kernel drops without another ENOBUFS (netlink_overrun() in
 * net/netlink/af_netlink.c): whoever looked again at the first report may have looked too early, so there is a second.
 */
static void report_end_of_overrun(struct nl_socket *socket) {
  if (recv(socket->descriptor, NULL, 0, MSG_PEEK) >= 0 || errno != EAGAIN) return;
  socket->overrun = false;
  deliver(socket, NULL, 0, ENOBUFS);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  struct nl_socket *socket = handle->data;
  (void)events;
  char buffer[DATAGRAM];
  for (int i = 0; i < DATAGRAMS_PER_TURN && !socket->closing; i++)
    if (!receive_one(socket, buffer)) break;
  if (socket->overrun && !socket->closing) report_end_of_overrun(socket);
  /* An overrun raises POLLERR, which libuv reports as an error and stops the handle: it is drained by now. */
  if (status < 0 && !socket->closing) start_poll(socket);
}

static void on_closed(uv_handle_t *handle) {
  struct nl_socket *socket = handle->data;
  close(socket->descriptor);
  napi_delete_reference(socket->env, socket->callback);
  if (socket->hook) napi_remove_async_cleanup_hook(socket->hook);
  socket->descriptor = -1;
  free(socket);
}

static void end_socket(struct nl_socket *socket) {
  if (socket->closing) return;
  socket->closing = true;
  uv_poll_stop(&socket->poll);
  uv_close((uv_handle_t *)&socket->poll, on_closed);
}

static void on_environment_end(napi_async_cleanup_hook_handle handle, void *argument) {
  (void)handle;
  end_socket(argument);
}

static bool set_option(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

static napi_value configure(napi_env env, int descriptor) {
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  const char *call = NULL;
  if (bind(descriptor, (struct sockaddr *)&own, sizeof own) < 0)
    call = "bind";
  else if (!set_option(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, 1))
    call = "setsockopt NETLINK_EXT_ACK";
  else if (!set_option(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1))
    call = "setsockopt NETLINK_GET_STRICT_CHK";
  else if (!set_option(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, 1))
    call = "setsockopt NETLINK_CAP_ACK";
  if (call) {
    int error = errno;
    close(descriptor);
    return throw_errno(env, error, call);
  }
  /* Needs CAP_NET_ADMIN; without it the default size stands, and overruns are reported as ever. */
  if (!set_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER))
    set_option(descriptor, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
  /* A batch goes in one datagram, and one larger than the buffer is refused (EMSGSIZE): 10,000 set elements are 400 kB. */
  if (!set_option(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER))
    set_option(descriptor, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
  napi_value truth;
  CHECK(env, napi_get_boolean(env, true, &truth));
  return truth;
}

/* open(protocol, netns, callback) -> external */
static napi_value socket_open(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], external;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = calloc(1, sizeof *visit);
  if (!visit) return throw_errno(env, ENOMEM, "calloc");
  visit->work = socket_work;
  bool ok = int_argument(env, arguments[0], &visit->protocol) && int_argument(env, arguments[1], &visit->netns) &&
            run_visit(env, visit);
  int descriptor = visit->descriptor;
  free(visit);
  if (!ok || !configure(env, descriptor)) return NULL;

  struct nl_socket *socket = calloc(1, sizeof *socket);
  uv_loop_t *loop;
  if (!socket || napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_external(env, socket, NULL, NULL, &external) != napi_ok ||
      napi_create_reference(env, arguments[2], 1, &socket->callback) != napi_ok) {
    close(descriptor);
    free(socket);
    return throw_errno(env, ENOMEM, "open");
  }
  socket->env = env;
  socket->descriptor = descriptor;
  socket->poll.data = socket;
  int failed = uv_poll_init(loop, &socket->poll, descriptor);
  if (failed) {
    close(descriptor);
    napi_delete_reference(env, socket->callback);
    free(socket);
    return throw_errno(env, -failed, "uv_poll_init");
  }
  napi_add_async_cleanup_hook(env, on_environment_end, socket, &socket->hook);
  start_poll(socket);
  return external;
}

static struct nl_socket *socket_argument(napi_env env, napi_value value) {
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok || !data) {
    napi_throw_type_error(env, "EINVAL", "netlink addon: a socket is expected");
    return NULL;
  }
  return data;
}

/* send(socket, buffer): the whole buffer in one sendmsg */
static napi_value socket_send(napi_env env, napi_callback_info info) {
  size_t count = 2, length;
  napi_value arguments[2], none;
  void *data;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct nl_socket *socket = socket_argument(env, arguments[0]);
  if (!socket) return NULL;
  CHECK(env, napi_get_buffer_info(env, arguments[1], &data, &length));
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent = sendto(socket->descriptor, data, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
  if (sent < 0) return throw_errno(env, errno, "sendmsg");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* membership(socket, group) */
static napi_value socket_join(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], none;
  int group;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct nl_socket *socket = socket_argument(env, arguments[0]);
  if (!socket || !int_argument(env, arguments[1], &group)) return NULL;
  if (!set_option(socket->descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group))
    return throw_errno(env, errno, "setsockopt NETLINK_ADD_MEMBERSHIP");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* hold(socket, boolean): whether an open socket keeps the process alive */
static napi_value socket_hold(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], none;
  bool hold;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct nl_socket *socket = socket_argument(env, arguments[0]);
  if (!socket) return NULL;
  CHECK(env, napi_get_value_bool(env, arguments[1], &hold));
  if (hold)
    uv_ref((uv_handle_t *)&socket->poll);
  else
    uv_unref((uv_handle_t *)&socket->poll);
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* close(socket): the handle must not be used afterwards; TypeScript forgets it in the same breath */
static napi_value socket_close(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct nl_socket *socket = socket_argument(env, arguments[0]);
  if (!socket) return NULL;
  end_socket(socket);
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* ---- namespaces ---------------------------------------------------------------------------------------------- */

/* openNamespace(path) -> descriptor; EINVAL when the file is not a network namespace */
static napi_value namespace_open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], result;
  char path[PATH_MAX];
  struct statfs facts;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  if (!text_argument(env, arguments[0], path, sizeof path)) return NULL;
  /* O_NONBLOCK: the path may be anything, and a FIFO would stop the event loop until somebody writes to it. */
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return throw_errno(env, errno, "open");
  bool is_netns = fstatfs(descriptor, &facts) == 0 && facts.f_type == NSFS_MAGIC &&
                  ioctl(descriptor, NS_GET_NSTYPE) == CLONE_NEWNET;
  if (!is_netns) {
    close(descriptor);
    return throw_errno(env, EINVAL, "open namespace");
  }
  CHECK(env, napi_create_int32(env, descriptor, &result));
  return result;
}

/* closeNamespace(descriptor): Node warns of descriptors that it closes in a worker without having opened them */
static napi_value namespace_close(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  int descriptor;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  if (!int_argument(env, arguments[0], &descriptor)) return NULL;
  if (close(descriptor) < 0) return throw_errno(env, errno, "close");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

static void create_work(struct visit *visit) {
  char own[64];
  if (unshare(CLONE_NEWNET) < 0) {
    fail(visit, "unshare");
    return;
  }
  snprintf(own, sizeof own, "/proc/self/task/%ld/ns/net", syscall(SYS_gettid));
  if (mount(own, visit->path, NULL, MS_BIND, NULL) < 0) fail(visit, "mount");
}

/* createNamespace(path): an empty regular file must stand there */
static napi_value namespace_create(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = calloc(1, sizeof *visit);
  if (!visit) return throw_errno(env, ENOMEM, "calloc");
  visit->work = create_work;
  visit->netns = -1;
  bool ok = text_argument(env, arguments[0], visit->path, sizeof visit->path) && run_visit(env, visit);
  free(visit);
  if (!ok) return NULL;
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* unmountNamespace(path): EINVAL when nothing is mounted there */
static napi_value namespace_unmount(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  char path[PATH_MAX];
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  if (!text_argument(env, arguments[0], path, sizeof path)) return NULL;
  if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) return throw_errno(env, errno, "umount");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* ---- sysctls ------------------------------------------------------------------------------------------------- */

/* /proc/sys/net shows the namespace of the thread that opens it. */
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
static napi_value sysctl_write(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = calloc(1, sizeof *visit);
  if (!visit) return throw_errno(env, ENOMEM, "calloc");
  visit->work = sysctl_write_work;
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

/* readSysctl(netns, path below /proc/sys) -> string */
static napi_value sysctl_read(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result = NULL;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = calloc(1, sizeof *visit);
  if (!visit) return throw_errno(env, ENOMEM, "calloc");
  visit->work = sysctl_read_work;
  if (int_argument(env, arguments[0], &visit->netns) &&
      text_argument(env, arguments[1], visit->path, sizeof visit->path) && run_visit(env, visit))
    napi_create_string_utf8(env, visit->value, visit->length, &result);
  free(visit);
  return result;
}

/* ---- sd_notify ------------------------------------------------------------------------------------------------ */

/* notify(path, message): one datagram to a service manager's socket; "@name" is an abstract one (sd_notify(3)) */
static napi_value service_notify(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], none;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char message[SYSCTL_LENGTH];
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

/* ---- module -------------------------------------------------------------------------------------------------- */

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"open", NULL, socket_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, socket_send, NULL, NULL, NULL, napi_enumerable, NULL},
      {"join", NULL, socket_join, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hold", NULL, socket_hold, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, socket_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openNamespace", NULL, namespace_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeNamespace", NULL, namespace_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"createNamespace", NULL, namespace_create, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unmountNamespace", NULL, namespace_unmount, NULL, NULL, NULL, napi_enumerable, NULL},
      {"writeSysctl", NULL, sysctl_write, NULL, NULL, NULL, napi_enumerable, NULL},
      {"notify", NULL, service_notify, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readSysctl", NULL, sysctl_read, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  CHECK(env, napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions));
  return exports;
}
