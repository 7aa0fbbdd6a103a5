/* A reader of DeepStream metadata as anybody may write it: it plays a pipeline and prints the events of every frame that reaches
 * the element named "end", one a line: source_id, frame_num, objectId and otherAttrs, with tabs between, "-" for what is not there.
 *
 *     read_other_attrs videotestsrc num-buffers=1 ! ... ! fakesink name=end
 *
 * Nothing in it is of empycustom, and no header is of NVIDIA: the structures are those of DeepStream 9, as far as they are needed.
 */
#include <gst/gst.h>
#include <stddef.h>

enum { NVDS_EVENT_MSG_META = 9 };

typedef struct {
  void *batch_meta;
  gint meta_type;
  void *context;
  void *copy_func;
  void *release_func;
} BaseMeta;

typedef struct {
  BaseMeta base_meta;
  guint max_frames_in_batch;
  guint num_frames_in_batch;
  void *pools[6];
  GList *frame_meta_list;
} BatchMeta;

typedef struct {
  BaseMeta base_meta;
  guint pad_index;
  guint batch_id;
  gint frame_num;
  guint64 buf_pts;
  guint64 ntp_timestamp;
  guint source_id;
  gint num_surfaces_per_frame;
  guint source_frame_width;
  guint source_frame_height;
  guint surface_type;
  guint surface_index;
  guint num_obj_meta;
  gboolean infer_done;
  GList *obj_meta_list;
  GList *display_meta_list;
  GList *frame_user_meta_list;
} FrameMeta;

typedef struct {
  BaseMeta base_meta;
  void *user_meta_data;
} UserMeta;

typedef struct {
  gint type;
  gint object_type;
  guint8 box_place_and_ids[120];
  char *time;
  char *object_id;
  guint8 not_needed[13832 - 144];
  char *other_attrs;
} EventMsgMeta;

#define LIES_AT(structure, field, offset) _Static_assert (offsetof (structure, field) == (offset), #structure "." #field)
LIES_AT (BaseMeta, meta_type, 8);
LIES_AT (BatchMeta, frame_meta_list, 96);
LIES_AT (FrameMeta, frame_num, 48);
LIES_AT (FrameMeta, source_id, 72);
LIES_AT (FrameMeta, obj_meta_list, 104);
LIES_AT (FrameMeta, frame_user_meta_list, 120);
LIES_AT (UserMeta, user_meta_data, 40);
LIES_AT (EventMsgMeta, time, 128);
LIES_AT (EventMsgMeta, object_id, 136);
LIES_AT (EventMsgMeta, other_attrs, 13832);

/* Of libnvdsgst_meta.so. */
extern BatchMeta *gst_buffer_get_nvds_batch_meta (GstBuffer * buffer);

static gint without_batch;

static void
print_event (const FrameMeta * frame, const EventMsgMeta * event)
{
  const char *object_id = event ? event->object_id : NULL, *text = event ? event->other_attrs : NULL;
  g_print ("%u\t%d\t%s\t%s\n", frame->source_id, frame->frame_num, object_id ? object_id : "-", text ? text : "-");
}

static GstPadProbeReturn
print_events (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  BatchMeta *batch = gst_buffer_get_nvds_batch_meta (GST_PAD_PROBE_INFO_BUFFER (info));
  (void) pad;
  (void) data;
  if (!batch) {
    g_atomic_int_inc (&without_batch);
    return GST_PAD_PROBE_OK;
  }
  for (GList * frames = batch->frame_meta_list; frames; frames = frames->next) {
    const FrameMeta *frame = frames->data;
    gboolean found = FALSE;
    for (GList * users = frame->frame_user_meta_list; users; users = users->next) {
      const UserMeta *user = users->data;
      if (user->base_meta.meta_type == NVDS_EVENT_MSG_META) {
        print_event (frame, user->user_meta_data);
        found = TRUE;
      }
    }
    if (!found)
      print_event (frame, NULL);
  }
  return GST_PAD_PROBE_OK;
}

static int
play (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  int code = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error;
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    code = 1;
  }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  return code;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  GstElement *pipeline, *end;
  GstPad *pad;
  int code;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launchv ((const gchar **) argv + 1, &error);
  end = pipeline && !error ? gst_bin_get_by_name (GST_BIN (pipeline), "end") : NULL;
  if (!end) {
    g_printerr ("%s\n", error ? error->message : "no element is named end");
    return 2;
  }
  pad = gst_element_get_static_pad (end, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, print_events, NULL, NULL);
  gst_object_unref (pad);
  gst_object_unref (end);

  code = play (pipeline);
  gst_object_unref (pipeline);
  if (without_batch) {
    g_printerr ("%d buffers have no batch\n", without_batch);
    return 3;
  }
  return code;
}
