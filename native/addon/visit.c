/* Work in another namespace, in a thread that ends with it. */
#include "addon.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct visit *new_visit(napi_env env, void (*work)(struct visit *)) {
  struct visit *visit = calloc(1, sizeof *visit);
  if (visit)
    visit->work = work;
  else
    throw_errno(env, ENOMEM, "calloc");
  return visit;
}

void fail(struct visit *visit, const char *call) {
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

static bool succeeded(napi_env env, const struct visit *visit) {
  if (visit->error) throw_errno(env, visit->error, visit->call);
  return visit->error == 0;
}

bool run_in_thread(napi_env env, struct visit *visit) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, visit_thread, visit);
  if (error) {
    throw_errno(env, error, "pthread_create");
    return false;
  }
  pthread_join(thread, NULL);
  return succeeded(env, visit);
}

bool run_visit(napi_env env, struct visit *visit) {
  if (visit->netns >= 0) return run_in_thread(env, visit);
  visit->work(visit);
  return succeeded(env, visit);
}
