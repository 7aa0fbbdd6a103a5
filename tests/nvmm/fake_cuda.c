/* Stands for NVIDIA's driver where there is none: the memory of the GPU is that of the process, and calls are written down.
 *
 * Nothing here is NVIDIA's. fake_calls gives the calls since it was last asked, one a line; fake_fail lets a function fail.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char calls[1 << 16], last[1 << 16], failing[64];
static int failing_with, depth;

/* FAKE_CUDA_FAILS=cuInit lets a process that asks nothing of the fake find it without a GPU. */
__attribute__ ((constructor)) static void start (void) {
  const char *name = getenv ("FAKE_CUDA_FAILS");
  if (!name) return;
  snprintf (failing, sizeof failing, "%s", name);
  failing_with = 100;
}

#define CALLED(...) (snprintf (calls + strlen (calls), sizeof calls - strlen (calls), __VA_ARGS__), fails (__func__))

static int fails (const char *function) {
  return strcmp (function, failing) ? 0 : failing_with;
}

void fake_fail (const char *function, int code) {
  snprintf (failing, sizeof failing, "%s", function);
  failing_with = code;
}

const char *fake_calls (void) {
  strcpy (last, calls);
  calls[0] = 0;
  return last;
}

int fake_depth (void) { return depth; }

int cuInit (unsigned flags) {
#ifdef BROKEN
  abort ();
#endif
  return CALLED ("init\n");
}

int cuGetErrorName (int error, const char **name) {
  *name = error == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : error == 100 ? "CUDA_ERROR_NO_DEVICE" : NULL;
  return *name ? 0 : 1;
}

int cuGetErrorString (int error, const char **text) {
  *text = error == 700 ? "an illegal memory access was encountered" : error == 100 ? "no CUDA-capable device is detected" : NULL;
  return *text ? 0 : 1;
}

int cuDriverGetVersion (int *version) {
  *version = 13020;
  return CALLED ("version\n");
}

int cuDeviceGetCount (int *count) {
  *count = 2;
  return CALLED ("count\n");
}

int cuDeviceGetName (char *name, int length, int device) {
  snprintf (name, length, "Fake GPU %d", device - 40);
  return CALLED ("name %d\n", device - 40);
}

int cuDeviceTotalMem_v2 (size_t *bytes, int device) {
  *bytes = (size_t) (device - 39) << 34;
  return CALLED ("memory %d\n", device - 40);
}

int cuDeviceGet (int *device, int ordinal) {
  *device = ordinal + 40; /* a handle is not the number of a GPU */
  return ordinal < 4 ? CALLED ("device %d\n", ordinal) : 101;
}

int cuDevicePrimaryCtxRetain (void **context, int device) {
  *context = (void *) (intptr_t) (0x1000 + device - 40);
  return CALLED ("retain %d\n", device - 40);
}

int cuCtxPushCurrent_v2 (void *context) {
  depth++;
  return CALLED ("push %d\n", (int) (intptr_t) context - 0x1000);
}

int cuCtxPopCurrent_v2 (void **context) {
  depth--;
  return CALLED ("pop\n");
}

int cuCtxSynchronize (void) { return depth ? CALLED ("wait for all\n") : 201; }

/* Handles of streams are addresses, as the driver's are, and it follows them without a look. */
static char alive[16];

int cuStreamCreate (uintptr_t *stream, unsigned flags) {
  char *free_one = memchr (alive, 0, sizeof alive);
  *stream = (uintptr_t) free_one;
  *free_one = 1;
  return CALLED ("create a stream\n");
}

int cuStreamDestroy_v2 (uintptr_t stream) {
  *(char *) stream = 0;
  return CALLED ("destroy a stream\n");
}

int cuStreamSynchronize (uintptr_t stream) {
  if (stream > 2 && !*(char *) stream) abort (); /* the driver ends the process, too: by a signal, not by an error */
  return depth ? CALLED ("wait for %zu\n", (size_t) stream) : 201;
}

typedef struct {
  size_t x, y;
  int type;
  char *host, *device;
  void *array;
  size_t pitch;
} End;

int cuMemcpy2D_v2 (const struct { End from, to; size_t width, height; } *copy) {
  const End *from = &copy->from, *to = &copy->to;
  const char *source = from->type == 1 ? from->host : from->device;
  if (!depth) return 201;
  if (from->pitch < copy->width || to->pitch < copy->width || to->type != 1) return 1;
  for (size_t row = 0; row < copy->height; row++) memcpy (to->host + row * to->pitch, source + row * from->pitch, copy->width);
  return CALLED ("copy %zu x %zu from %s\n", copy->width, copy->height, from->type == 1 ? "host" : "device");
}

/* An image is the NvBufSurfaceParams; where its pixels lie stands in its bufferDesc. */
typedef struct {
  char *planes[3];
  unsigned width, height, depth, pitch, planes_count, channels;
  int type, color, format;
} Frame;

static int frame_type = 1, frame_pitch;

void fake_frames (int type, int pitch) {
  frame_type = type;
  frame_pitch = pitch;
}

int cuGraphicsEGLRegisterImage (uintptr_t *resource, uintptr_t image, unsigned flags) {
  *resource = image + 1;
  return depth ? CALLED ("register\n") : 201;
}

int cuGraphicsResourceGetMappedEglFrame (Frame *frame, uintptr_t resource, unsigned index, unsigned level) {
  const char *surface = (const char *) resource - 1;
  const uint32_t *planes = (const uint32_t *) (surface + 48);
  memset (frame, 0, sizeof *frame);
  for (unsigned plane = 0; plane < planes[0] && plane < 3; plane++)
    frame->planes[plane] = *(char **) (surface + 24) + planes[13 + plane];
  frame->width = planes[1];
  frame->height = planes[5];
  frame->pitch = frame_pitch ? frame_pitch : planes[9];
  frame->planes_count = planes[0];
  frame->type = frame_type;
  return depth && !index && !level ? CALLED ("mapped frame\n") : 1;
}

int cuGraphicsUnregisterResource (uintptr_t resource) { return depth && resource ? CALLED ("unregister\n") : 1; }
