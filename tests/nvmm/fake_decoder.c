/* Elements under the names of NVIDIA's decoder and converter, without a GPU: their frames are in system memory all the time.

   The decoder answers, as NVIDIA's does, that it gives frames in system memory, and gives frames in NVMM alone. The converter
   simplifies caps, as NVIDIA's does. It cannot change formats. With DECODER_ALONE there is no converter. */

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>

#define SYSTEM "memory:SystemMemory"
#define NVMM "memory:NVMM"
#define ALWAYS GST_PAD_ALWAYS

/* Return the caps in each of two memories. */
static GstCaps *in_memories(GstCaps *caps, const char *first, const char *second) {
    GstCaps *made = gst_caps_new_empty();
    const char *features[] = {first, second};
    for (int number = 0; number < 2 && features[number]; number++)
        for (guint index = 0; index < gst_caps_get_size(caps); index++)
            gst_caps_append_structure_full(made, gst_structure_copy(gst_caps_get_structure(caps, index)),
                                           gst_caps_features_from_string(features[number]));
    return made;
}

static GstCaps *limited(GstCaps *caps, GstCaps *limits) {
    if (!limits)
        return caps;
    GstCaps *found = gst_caps_intersect_full(limits, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(caps);
    return found;
}

static GstFlowReturn pass(GstBaseTransform *self, GstBuffer *buffer) { return GST_FLOW_OK; }

/* What the decoder has behind libav's. */
typedef GstBaseTransform Raising;
typedef GstBaseTransformClass RaisingClass;
G_DEFINE_TYPE(Raising, raising, GST_TYPE_BASE_TRANSFORM)

static GstStaticPadTemplate raise_sink = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, ALWAYS, GST_STATIC_CAPS("video/x-raw,format=NV12"));
static GstStaticPadTemplate raise_src = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, ALWAYS, GST_STATIC_CAPS("video/x-raw(" NVMM ")"));

static GstCaps *raise_caps(GstBaseTransform *self, GstPadDirection direction, GstCaps *caps, GstCaps *limits) {
    return limited(in_memories(caps, direction == GST_PAD_SINK ? NVMM : SYSTEM, NULL), limits);
}

static void raising_class_init(RaisingClass *class) {
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &raise_sink);
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &raise_src);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(class), "Raising", "Filter", "Says that frames are in NVMM", "tests");
    GST_BASE_TRANSFORM_CLASS(class)->transform_caps = raise_caps;
    GST_BASE_TRANSFORM_CLASS(class)->transform_ip = pass;
}

static void raising_init(Raising *self) {}

/* The decoder. */
typedef GstBin Decoder;
typedef GstBinClass DecoderClass;
G_DEFINE_TYPE(Decoder, decoder, GST_TYPE_BIN)

static GstStaticPadTemplate decoder_sink = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, ALWAYS, GST_STATIC_CAPS("video/x-h264,stream-format=(string){avc,byte-stream},alignment=au"));

static gboolean answer(GstPad *pad, GstObject *parent, GstQuery *query) {
    if (GST_QUERY_TYPE(query) != GST_QUERY_CAPS)
        return gst_pad_query_default(pad, parent, query);
    GstCaps *caps = gst_caps_from_string("video/x-raw");
    gst_query_set_caps_result(query, caps);
    gst_caps_unref(caps);
    return TRUE;
}

static void decoder_class_init(DecoderClass *class) {
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &decoder_sink);
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &raise_src);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(class), "Decoder", "Codec/Decoder/Video", "Decodes into NVMM", "tests");
}

static void add_pad(Decoder *self, GstElement *element, const char *name) {
    GstPad *target = gst_element_get_static_pad(element, name);
    GstPadTemplate *template = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name);
    GstPad *pad = gst_ghost_pad_new_from_template(name, target, template);
    if (GST_PAD_IS_SRC(pad))
        gst_pad_set_query_function(pad, answer);
    gst_element_add_pad(GST_ELEMENT(self), pad);
    gst_object_unref(target);
}

static void decoder_init(Decoder *self) {
    GstElement *inner = gst_element_factory_make("avdec_h264", NULL), *converter = gst_element_factory_make("videoconvert", NULL);
    GstElement *last = g_object_new(raising_get_type(), NULL);
    gst_bin_add_many(GST_BIN(self), inner, converter, last, NULL);
    gst_element_link_many(inner, converter, last, NULL);
    add_pad(self, inner, "sink");
    add_pad(self, last, "src");
}

/* The converter. */
typedef GstBaseTransform Converter;
typedef GstBaseTransformClass ConverterClass;
G_DEFINE_TYPE(Converter, converter, GST_TYPE_BASE_TRANSFORM)

#define ANYWHERE GST_STATIC_CAPS("video/x-raw; video/x-raw(" NVMM ")")
static GstStaticPadTemplate converter_sink = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, ALWAYS, ANYWHERE);
static GstStaticPadTemplate converter_src = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, ALWAYS, ANYWHERE);

static GstCaps *converter_caps(GstBaseTransform *self, GstPadDirection direction, GstCaps *caps, GstCaps *limits) {
    return gst_caps_simplify(limited(in_memories(caps, SYSTEM, NVMM), limits));
}

static void converter_class_init(ConverterClass *class) {
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &converter_sink);
    gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &converter_src);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(class), "Converter", "Filter/Converter/Video/Scaler", "Between memories",
                                          "tests");
    GST_BASE_TRANSFORM_CLASS(class)->transform_caps = converter_caps;
    GST_BASE_TRANSFORM_CLASS(class)->transform_ip = pass;
}

static void converter_init(Converter *self) {}

static gboolean register_all(GstPlugin *plugin) {
#ifndef DECODER_ALONE
    gst_element_register(plugin, "nvvideoconvert", GST_RANK_NONE, converter_get_type());
#endif
    return gst_element_register(plugin, "nvv4l2decoder", GST_RANK_PRIMARY + 11, decoder_get_type());
}

#define PACKAGE "tests"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, fakedecoder, "NVIDIA's, without a GPU", register_all, "1", "LGPL", PACKAGE, "tests")
