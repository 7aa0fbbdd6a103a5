/* The part of DL Streamer's plugin that keeps messages on buffers, under its names for the meta: gva_json_meta.c of 2025 is as this is.
 *
 * The element `fakegva` adds a message to each buffer (`add`), writes all that it has, a line for each, into a file (`location`), as
 * gvametapublish reads them: "2: {...}".
 */
#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>
#include <stdio.h>

typedef struct { GstMeta meta; gchar *message; } GstGVAJSONMeta;
static GType api;
static const GstMetaInfo *info;

static gboolean init_meta (GstMeta *meta, gpointer parameters, GstBuffer *buffer) {
  (void) parameters, (void) buffer;
  ((GstGVAJSONMeta *) meta)->message = NULL;
  return TRUE;
}
static void free_meta (GstMeta *meta, GstBuffer *buffer) {
  (void) buffer;
  g_free (((GstGVAJSONMeta *) meta)->message);
}
static gboolean copy_meta (GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type, gpointer data) {
  (void) from, (void) type, (void) data;
  ((GstGVAJSONMeta *) gst_buffer_add_meta (to, info, NULL))->message = g_strdup (((GstGVAJSONMeta *) meta)->message);
  return TRUE;
}

typedef struct { GstBaseTransform parent; gchar *add, *location; FILE *file; int number; } FakeGva;
typedef struct { GstBaseTransformClass parent; } FakeGvaClass;
G_DEFINE_TYPE (FakeGva, fake_gva, GST_TYPE_BASE_TRANSFORM)

static gboolean start (GstBaseTransform *transform) {
  FakeGva *self = (FakeGva *) transform;
  self->file = self->location ? fopen (self->location, "w") : NULL;
  self->number = 0;
  return TRUE;
}
static gboolean stop (GstBaseTransform *transform) {
  FakeGva *self = (FakeGva *) transform;
  if (self->file) fclose (self->file);
  self->file = NULL;
  return TRUE;
}
static GstFlowReturn transform_ip (GstBaseTransform *transform, GstBuffer *buffer) {
  FakeGva *self = (FakeGva *) transform;
  if (self->add) ((GstGVAJSONMeta *) gst_buffer_add_meta (buffer, info, NULL))->message = g_strdup (self->add);
  gpointer state = NULL;
  GstGVAJSONMeta *meta;
  while (self->file && (meta = (GstGVAJSONMeta *) gst_buffer_iterate_meta_filtered (buffer, &state, api)))
    fprintf (self->file, "%d: %s\n", self->number, meta->message);
  self->number++;
  return GST_FLOW_OK;
}
static void set_property (GObject *object, guint number, const GValue *value, GParamSpec *spec) {
  (void) spec;
  *(number == 1 ? &((FakeGva *) object)->add : &((FakeGva *) object)->location) = g_value_dup_string (value);
}
static void fake_gva_init (FakeGva *self) { (void) self; }
static void fake_gva_class_init (FakeGvaClass *class) {
  static GstStaticPadTemplate sink = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  static GstStaticPadTemplate src = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  G_OBJECT_CLASS (class)->set_property = set_property;
  g_object_class_install_property ((GObjectClass *) class, 1, g_param_spec_string ("add", "", "", NULL, G_PARAM_WRITABLE));
  g_object_class_install_property ((GObjectClass *) class, 2, g_param_spec_string ("location", "", "", NULL, G_PARAM_WRITABLE));
  gst_element_class_set_static_metadata ((GstElementClass *) class, "Fake", "Metadata", "Messages as DL Streamer's", "tests");
  gst_element_class_add_static_pad_template ((GstElementClass *) class, &sink);
  gst_element_class_add_static_pad_template ((GstElementClass *) class, &src);
  ((GstBaseTransformClass *) class)->start = start;
  ((GstBaseTransformClass *) class)->stop = stop;
  ((GstBaseTransformClass *) class)->transform_ip = transform_ip;
}

static gboolean plugin_init (GstPlugin *plugin) {
  static const gchar *tags[] = { NULL };
  api = gst_meta_api_type_register ("GstGVAJSONMetaAPI", tags);
  info = gst_meta_register (api, "GstGVAJSONMeta", sizeof (GstGVAJSONMeta), init_meta, free_meta, copy_meta);
  return gst_element_register (plugin, "fakegva", GST_RANK_NONE, fake_gva_get_type ());
}
#define PACKAGE "tests"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, fakegva, "messages", plugin_init, "1", "MIT/X11", "tests", "http://tests")
