/* Stands for CUDA's runtime, so far as NVIDIA's library of surfaces takes it to allocate: the memory of the GPU is that of the process.
 *
 * Nothing here is NVIDIA's. fake_live says how many allocations there are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int live;

int fake_live (void) { return live; }

static int allocated (void **memory, size_t size) {
  *memory = aligned_alloc (512, (size + 511) & ~(size_t) 511); /* as CUDA aligns */
  memset (*memory, 0, size);
  live++;
  return 0;
}

static int freed (void *memory) {
  if (memory) live--;
  free (memory);
  return 0;
}

int cudaMalloc (void **memory, size_t size) { return allocated (memory, size); }
int cudaMallocHost (void **memory, size_t size) { return allocated (memory, size); }
int cudaMallocManaged (void **memory, size_t size, unsigned flags) { return allocated (memory, size); }
int cudaFree (void *memory) { return freed (memory); }
int cudaFreeHost (void *memory) { return freed (memory); }
int cudaSetDevice (int device) { return 0; }

int cudaGetDevice (int *device) {
  *device = 0;
  return 0;
}

int cudaMemsetAsync_ptsz (void *memory, int value, size_t size, void *stream) {
  memset (memory, value, size);
  return 0;
}

int cudaStreamSynchronize_ptsz (void *stream) { return 0; }
