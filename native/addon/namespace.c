/* Network namespaces as files: opened, made, unbound. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif
#ifndef NS_GET_NSTYPE
#define NS_GET_NSTYPE _IO(0xb7, 0x3)
#endif

/* openNamespace(path) -> descriptor; EINVAL when the file is not a network namespace */
napi_value namespace_open(napi_env env, napi_callback_info info) {
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

/* closeDescriptor(descriptor): Node warns of descriptors that it closes in a worker without having opened them */
napi_value descriptor_close(napi_env env, napi_callback_info info) {
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
napi_value namespace_create(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  struct visit *visit = new_visit(env, create_work);
  if (!visit) return NULL;
  visit->netns = -1;
  bool ok = text_argument(env, arguments[0], visit->path, sizeof visit->path) && run_in_thread(env, visit);
  free(visit);
  if (!ok) return NULL;
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}

/* unmountNamespace(path): EINVAL when nothing is mounted there */
napi_value namespace_unmount(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1], none;
  char path[PATH_MAX];
  CHECK(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  if (!text_argument(env, arguments[0], path, sizeof path)) return NULL;
  if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) return throw_errno(env, errno, "umount");
  CHECK(env, napi_get_undefined(env, &none));
  return none;
}
