/* Stands for NVIDIA's library of surfaces on a Jetson: an EGL image is the address of the NvBufSurfaceParams. */
#include <stddef.h>
#include <stdint.h>

static size_t stride = 416;
static int fails, mapped;

void fake_surfaces (size_t bytes, int failing) {
  stride = bytes;
  fails = failing;
}

int fake_mapped (void) { return mapped; }

static char *surface_at (char *surfaces, int index) { return *(char **) (surfaces + 24) + index * stride; }

int NvBufSurfaceMapEglImage (char *surfaces, int index) {
  char *surface = surface_at (surfaces, index);
  if (fails) return -1;
  *(char **) (surface + 312) = surface;
  mapped++;
  return 0;
}

int NvBufSurfaceUnMapEglImage (char *surfaces, int index) {
  *(char **) (surface_at (surfaces, index) + 312) = NULL;
  mapped--;
  return 0;
}
