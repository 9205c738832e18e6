/*
 * Netlink sockets on the event loop of the environment that opened them. What the kernel sends is handed over as it is;
 * an overrun is reported, drained and survived.
 */
#include "addon.h"

#include <uv.h>

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define SEND_BUFFER (8 * 1024 * 1024)
/* The kernel builds dump parts of at most 32 KiB; larger datagrams are measured with MSG_PEEK|MSG_TRUNC. */
#define DATAGRAM (64 * 1024)
/* Datagrams handed over per turn of the event loop, so that a flood cannot starve it. */
#define DATAGRAMS_PER_TURN 64

struct nl_socket {
  napi_env env;
  napi_ref callback; /* (datagrams: Buffer | null, errno: number) => void */
  napi_async_cleanup_hook_handle hook;
  uv_poll_t poll;
  int descriptor;
  bool closing; /* whoever still has the external gets EBADF */
  int holders;  /* the event loop and the external: the last one frees */
  bool overrun; /* the kernel drops, and says so no second time, until the queue was empty once */
};

static void socket_work(struct visit *visit) {
  visit->descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, visit->protocol);
  if (visit->descriptor < 0) fail(visit, "socket");
}

static void on_readable(uv_poll_t *handle, int status, int events);

static void start_poll(struct nl_socket *socket) { uv_poll_start(&socket->poll, UV_READABLE, on_readable); }

/* Hands datagrams, or an errno, to JavaScript; a throwing listener becomes an uncaught exception. */
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

/* Small datagrams on their way to JavaScript in one call: acknowledgements come by the dozen. */
struct gathered {
  size_t length;
  char bytes[DATAGRAM];
};

/* False when there was nothing to hand over. */
static bool flush(struct nl_socket *socket, struct gathered *gathered) {
  size_t length = gathered->length;
  gathered->length = 0;
  if (length == 0 || socket->closing) return false;
  deliver(socket, gathered->bytes, length, 0);
  return true;
}

/* Errors keep their place among the datagrams. */
static void report(struct nl_socket *socket, struct gathered *gathered, int error) {
  flush(socket, gathered);
  if (!socket->closing) deliver_error(socket, error);
}

/* A datagram that fits; only the kernel (port 0) is believed. The next one begins aligned, as a message does. */
static bool gather(struct nl_socket *socket, struct gathered *gathered) {
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  char *target = gathered->bytes + gathered->length;
  ssize_t got = recvfrom(socket->descriptor, target, sizeof gathered->bytes - gathered->length, 0,
                         (struct sockaddr *)&from, &size);
  if (got < 0) {
    int error = errno;
    if (error != EAGAIN) report(socket, gathered, error);
    return false;
  }
  if (from.nl_pid != 0) return true;
  size_t end = NLMSG_ALIGN((size_t)got);
  memset(target + got, 0, end - got);
  gathered->length += end;
  return true;
}

static bool receive_large(struct nl_socket *socket, size_t length) {
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  char *target = malloc(length);
  if (!target) {
    deliver(socket, NULL, 0, ENOMEM);
    return false;
  }
  ssize_t got = recvfrom(socket->descriptor, target, length, 0, (struct sockaddr *)&from, &size);
  int error = errno;
  if (got >= 0 && from.nl_pid == 0) deliver(socket, target, got, 0);
  if (got < 0 && error != EAGAIN) deliver_error(socket, error);
  free(target);
  return got >= 0;
}

/* False when there is nothing more to read now. */
static bool receive_one(struct nl_socket *socket, struct gathered *gathered) {
  ssize_t need = recv(socket->descriptor, NULL, 0, MSG_PEEK | MSG_TRUNC);
  if (need < 0) {
    int error = errno;
    if (error == EAGAIN || error == EINTR) return error == EINTR;
    report(socket, gathered, error);
    return error == ENOBUFS;
  }
  size_t room = NLMSG_ALIGN((size_t)need);
  if (gathered->length + room > sizeof gathered->bytes) flush(socket, gathered);
  if (socket->closing) return false;
  return room > sizeof gathered->bytes ? receive_large(socket, need) : gather(socket, gathered);
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
  struct gathered gathered;
  gathered.length = 0;
  /* Who gets an answer often asks the next question at once, and the kernel has answered before the send call returns: a
   * chain of requests goes through in one turn of the event loop, however busy that is with other things. */
  for (int i = 0; i < DATAGRAMS_PER_TURN && !socket->closing; i++)
    if (!receive_one(socket, &gathered) && !flush(socket, &gathered)) break;
  flush(socket, &gathered);
  if (socket->overrun && !socket->closing) report_end_of_overrun(socket);
  /* An overrun raises POLLERR, which libuv reports as an error and stops the handle: it is drained by now. */
  if (status < 0 && !socket->closing) start_poll(socket);
}

static void release(struct nl_socket *socket) {
  if (--socket->holders == 0) free(socket);
}

static void on_external_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

static void on_closed(uv_handle_t *handle) {
  struct nl_socket *socket = handle->data;
  close(socket->descriptor);
  if (socket->callback) napi_delete_reference(socket->env, socket->callback);
  if (socket->hook) napi_remove_async_cleanup_hook(socket->hook);
  socket->descriptor = -1;
  release(socket);
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
napi_value socket_open(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], external;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, socket_work);
  if (!visit) return NULL;
  bool ok = int_argument(env, arguments[0], &visit->protocol) && int_argument(env, arguments[1], &visit->netns) &&
            run_visit(env, visit);
  int descriptor = visit->descriptor;
  free(visit);
  if (!ok || !configure(env, descriptor)) return NULL;

  struct nl_socket *socket = calloc(1, sizeof *socket);
  uv_loop_t *loop;
  int failed = !socket || napi_get_uv_event_loop(env, &loop) != napi_ok ? UV_ENOMEM
                                                                       : uv_poll_init(loop, &socket->poll, descriptor);
  if (failed) {
    close(descriptor);
    free(socket);
    return throw_errno(env, -failed, "uv_poll_init");
  }
  /* From here on the event loop holds it, and closing it is the only way to undo. */
  socket->env = env;
  socket->descriptor = descriptor;
  socket->poll.data = socket;
  socket->holders = 1;
  if (napi_create_reference(env, arguments[2], 1, &socket->callback) != napi_ok ||
      napi_create_external(env, socket, on_external_gone, NULL, &external) != napi_ok) {
    end_socket(socket);
    return throw_errno(env, EINVAL, "open");
  }
  socket->holders++;
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
  struct nl_socket *socket = data;
  if (socket->closing) {
    throw_errno(env, EBADF, "closed socket");
    return NULL;
  }
  return socket;
}

/* send(socket, buffer): the whole buffer in one sendmsg */
napi_value socket_send(napi_env env, napi_callback_info info) {
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
napi_value socket_join(napi_env env, napi_callback_info info) {
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
napi_value socket_hold(napi_env env, napi_callback_info info) {
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

/* close(socket): whatever is asked of it afterwards is EBADF */
napi_value socket_close(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct nl_socket *socket = socket_argument(env, arguments[0]);
  if (!socket) return NULL;
  end_socket(socket);
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}
