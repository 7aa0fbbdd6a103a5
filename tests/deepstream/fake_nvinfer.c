/* What nvinfer attaches to frames and objects, without a network: outputs that are counted, and used again when nobody holds them.
 *
 * It has no headers of NVIDIA's: structures are as nvdsinfer.h and gstnvdsinfer.h of DeepStream 9 have them. What is used again is
 * overwritten first, so that whoever looks at it still sees that.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { void *batch_meta; int meta_type; void *context, *copy, *release; void *data; } User;
typedef struct { int type; unsigned dims, d[8], elements; int index; const char *name; void *buffer; int is_input; } Layer;
typedef struct {
  unsigned unique_id, count; Layer *layers; void **hosts, **devices; int gpu_id; void *private; unsigned network[3]; int keep_aspect;
} Tensors;
typedef struct { unsigned classes, width, height; int *map; float *probabilities; void *private; unsigned unique_id; } Segmentation;
typedef struct { uint64_t mini[8]; size_t size; char *memory; } Output;

void gst_mini_object_init (void *, unsigned, size_t, void *, void *, void *);
void *gst_mini_object_ref (void *);
void gst_mini_object_unref (void *);
void *nvds_acquire_user_meta_from_pool (void *);
void nvds_add_user_meta_to_frame (void *, void *);
void nvds_add_user_meta_to_obj (void *, void *);
void nvds_acquire_meta_lock (void *);
void nvds_release_meta_lock (void *);

static int in_use, most_in_use;
int outputs_in_use (void) { return __atomic_load_n (&in_use, __ATOMIC_SEQ_CST); }
int most_outputs_in_use (void) { return __atomic_load_n (&most_in_use, __ATOMIC_SEQ_CST); }

static void used_again (void *object) {
  Output *output = object;
  memset (output->memory, 0xdd, output->size);
  free (output->memory);
  free (output);
  __atomic_sub_fetch (&in_use, 1, __ATOMIC_SEQ_CST);
}

/* The output of a batch, and memory for all that it says. */
void *new_output (size_t size) {
  Output *output = calloc (1, sizeof *output);
  gst_mini_object_init (output, 0, 17 << 2 /* G_TYPE_POINTER */, NULL, NULL, used_again);
  output->size = size;
  output->memory = malloc (size ? size : 1);
  int now = __atomic_add_fetch (&in_use, 1, __ATOMIC_SEQ_CST), most = most_outputs_in_use ();
  while (now > most && !__atomic_compare_exchange_n (&most_in_use, &most, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return output;
}
void *memory_of (Output *output) { return output->memory; }
void done_with (Output *output) { gst_mini_object_unref (output); }

static void attach (void *batch, void *owner, int is_object, int type, void *data, void *copy, void *release) {
  nvds_acquire_meta_lock (batch);
  User *user = nvds_acquire_user_meta_from_pool (batch);
  user->data = data;
  user->meta_type = type;
  user->copy = copy;
  user->release = release;
  user->batch_meta = batch;
  (is_object ? nvds_add_user_meta_to_obj : nvds_add_user_meta_to_frame) (owner, user);
  nvds_release_meta_lock (batch);
}

static size_t size_of (Layer *layer) { return (size_t) (int[]) {4, 2, 1, 4, 8} [layer->type] * layer->elements; }
static void *duplicate (const void *data, size_t size) { return data ? memcpy (malloc (size ? size : 1), data, size) : NULL; }

static void release_tensors (User *user, void *unused) {
  Tensors *tensors = user->data;
  if (tensors->private)
    gst_mini_object_unref (tensors->private);
  else {
    for (unsigned i = 0; i < tensors->count; i++) {
      if (tensors->hosts[i]) memset (tensors->hosts[i], 0xdd, size_of (&tensors->layers[i]));
      free (tensors->hosts[i]);
    }
    free (tensors->layers);
  }
  free (tensors->hosts);
  free (tensors->devices);
  free (tensors);
}

static void *copy_tensors (User *user, void *unused) {
  Tensors *from = user->data, *to = duplicate (from, sizeof *from);
  to->layers = duplicate (from->layers, from->count * sizeof (Layer));
  to->hosts = calloc (from->count, sizeof (void *));
  to->devices = calloc (from->count, sizeof (void *));
  for (unsigned i = 0; i < from->count; i++) to->hosts[i] = duplicate (from->hosts[i], size_of (&from->layers[i]));
  to->private = NULL;
  return to;
}

/* The layers belong to the caller, as nvinfer's belong to it; hosts are copied. */
void attach_tensors (void *batch, void *owner, int is_object, void *output, unsigned unique_id, unsigned count, Layer *layers, void **hosts) {
  Tensors *tensors = calloc (1, sizeof *tensors);
  tensors->unique_id = unique_id;
  tensors->count = count;
  tensors->layers = layers;
  tensors->hosts = duplicate (hosts, count * sizeof (void *));
  tensors->devices = calloc (count + 1, sizeof (void *));
  tensors->private = gst_mini_object_ref (output);
  attach (batch, owner, is_object, 12, tensors, copy_tensors, release_tensors);
}

static void release_segmentation (User *user, void *unused) {
  Segmentation *found = user->data;
  if (found->private)
    gst_mini_object_unref (found->private);
  else {
    free (found->map);
    free (found->probabilities);
  }
  free (found);
}

static void *copy_segmentation (User *user, void *unused) {
  Segmentation *from = user->data, *to = duplicate (from, sizeof *from);
  size_t places = (size_t) from->width * from->height * 4;
  to->map = duplicate (from->map, places);
  to->probabilities = duplicate (from->probabilities, places * from->classes);
  to->private = NULL;
  return to;
}

void attach_segmentation (void *batch, void *owner, void *output, unsigned unique_id, unsigned classes, unsigned width, unsigned height, int *map, float *probabilities) {
  Segmentation *found = calloc (1, sizeof *found);
  *found = (Segmentation) {classes, width, height, map, probabilities, gst_mini_object_ref (output), unique_id};
  attach (batch, owner, 0, 13, found, copy_segmentation, release_segmentation);
}
