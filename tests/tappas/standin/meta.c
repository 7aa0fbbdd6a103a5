/* The meta that Hailo's elements put on buffers, as gst_hailo_meta.hpp of TAPPAS describes it: of the API "GstHailoMetaAPI", with a
 * shared_ptr of C++ to the main object, of which copies of the buffer have the same one.
 *
 * The main object is a number here, which is that of an object in hailo.py. It has no headers: structures are as gstmeta.h has them.
 */
#include <stdlib.h>

typedef struct { unsigned flags; void *info; } Meta;
typedef struct { Meta meta; long *main_object; int *owners; } HailoMeta;

unsigned long gst_meta_api_type_register (const char *, const char **);
const void *gst_meta_register (unsigned long, const char *, size_t, void *, void *, void *);
HailoMeta *gst_buffer_add_meta (void *, const void *, void *);
HailoMeta *gst_buffer_get_meta (void *, unsigned long);

static unsigned long api;
static const void *info;
static int alive;

static int init (HailoMeta *meta, void *params, void *buffer) {
  meta->main_object = NULL;
  meta->owners = NULL;
  return 1;
}

static void release (HailoMeta *meta, void *buffer) {
  if (meta->owners && __atomic_sub_fetch (meta->owners, 1, __ATOMIC_SEQ_CST) == 0) {
    free (meta->main_object);
    free (meta->owners);
    __atomic_sub_fetch (&alive, 1, __ATOMIC_SEQ_CST);
  }
}

static int copy (void *target, HailoMeta *meta, void *source, unsigned type, void *data) {
  HailoMeta *made = gst_buffer_add_meta (target, info, NULL);
  made->main_object = meta->main_object;
  made->owners = meta->owners;
  if (meta->owners) __atomic_add_fetch (meta->owners, 1, __ATOMIC_SEQ_CST);
  return 1;
}

static void define (void) {
  static const char *tags[] = {NULL};
  if (info) return;
  api = gst_meta_api_type_register ("GstHailoMetaAPI", tags);
  info = gst_meta_register (api, "GstHailoMeta", sizeof (HailoMeta), init, release, copy);
}

/* The main object on a buffer; NULL: it has none. */
long *main_object (void *buffer) {
  define ();
  HailoMeta *meta = gst_buffer_get_meta (buffer, api);
  return meta ? meta->main_object : NULL;
}

/* Attach a main object, with a number; 0: a meta without one. */
long *attach (void *buffer, long number) {
  define ();
  HailoMeta *meta = gst_buffer_add_meta (buffer, info, NULL);
  if (!number) return NULL;
  meta->main_object = malloc (sizeof *meta->main_object);
  *meta->main_object = number;
  meta->owners = malloc (sizeof *meta->owners);
  *meta->owners = 1;
  __atomic_add_fetch (&alive, 1, __ATOMIC_SEQ_CST);
  return meta->main_object;
}

/* So many main objects are on buffers. */
int objects_alive (void) { return __atomic_load_n (&alive, __ATOMIC_SEQ_CST); }
