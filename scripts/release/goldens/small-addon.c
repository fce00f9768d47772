// A library that asks for a little of Node, a little of the C library and, with STRAY, for what nobody has.
#include <pthread.h>

extern int napi_create_object(void);
#ifdef STRAY
extern int strayFunction(void);
#endif

static void* run(void* argument) {
  return argument;
}

__attribute__((visibility("default"))) int ENTRY(void) {
  pthread_t thread;
  int status = pthread_create(&thread, 0, run, 0);
#ifdef STRAY
  status += strayFunction();
#endif
  return status + napi_create_object();
}
