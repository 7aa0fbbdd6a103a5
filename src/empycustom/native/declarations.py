"""What is used of the C libraries, declared once, and the libraries themselves.

The layouts are public and have not changed since GStreamer 1.0. cffi looks a name up when it is first used: a test looks all of
them up, and compares the layouts with those that GObject introspection knows.
"""

from __future__ import annotations

from typing import Any

from cffi import FFI

ffi: Any = FFI()
ffi.cdef("""
    typedef int gboolean;
    typedef size_t GType;
    typedef uint32_t GQuark;
    typedef struct _GList { void *data; struct _GList *next, *prev; } GList;
    void *g_object_ref(void *object);
    void g_object_force_floating(void *object);
    gboolean g_object_is_floating(void *object);
    const char *g_quark_to_string(GQuark quark);
    unsigned g_signal_lookup(const char *name, GType type);
    gboolean g_signal_has_handler_pending(void *object, unsigned signal, GQuark detail, gboolean may_be_blocked);
    typedef struct { int value; const char *value_name, *value_nick; } GEnumValue;
    GType g_enum_register_static(const char *name, const GEnumValue *values);

    typedef struct { void *g_class; } GTypeInstance;
    typedef struct { GType type; const char *type_name; uint32_t class_size, instance_size; } GTypeQuery;
    typedef struct {
        uint16_t class_size; void *base_init, *base_finalize, *class_init, *class_finalize; const void *class_data;
        uint16_t instance_size, n_preallocs; void *instance_init; const void *value_table;
    } GTypeInfo;
    typedef struct {
        GTypeInstance instance; const char *name; unsigned flags; GType value_type, owner_type;
        char *nick, *blurb; void *qdata; unsigned ref_count, param_id;
    } GParamSpec;
    typedef struct { GParamSpec parent; int minimum, maximum, default_value; } GParamSpecInt;
    typedef struct {
        GType g_type; GType value_type; void *finalize, *value_set_default, *value_validate, *values_cmp, *value_is_valid;
    } GParamSpecClass;
    void g_type_query(GType type, GTypeQuery *query);
    GType g_type_from_name(const char *name);
    GType g_type_register_static(GType parent, const char *name, const GTypeInfo *info, int flags);
    void *g_type_class_ref(GType type);
    GParamSpec *g_param_spec_internal(GType type, const char *name, const char *nick, const char *blurb, unsigned flags);
    void g_object_class_install_property(void *object_class, unsigned property_id, GParamSpec *spec);

    typedef struct {
        GType type; int refcount, lockstate; unsigned flags; void *copy, *dispose, *free; unsigned priv_uint; void *priv_pointer;
    } GstMiniObject;
    typedef struct {
        GstMiniObject mini_object; void *pool; uint64_t pts, dts, duration, offset, offset_end;
    } GstBuffer;
    typedef struct _GstMeta GstMeta;
    typedef struct {
        GType api, type; size_t size; void *init, *free;
        gboolean (*transform)(GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type, void *data);
    } GstMetaInfo;
    struct _GstMeta { unsigned flags; const GstMetaInfo *info; };
    typedef struct { gboolean region; size_t offset, size; } GstMetaTransformCopy;
    typedef struct {
        GstMeta meta; GQuark roi_type; int id, parent_id; unsigned x, y, w, h; GList *params;
    } GstVideoRegionOfInterestMeta;
    typedef struct {
        GstMeta meta; GstBuffer *buffer; int flags, format, id; unsigned width, height, n_planes; size_t offset[4]; int stride[4];
    } GstVideoMeta;

    void gst_init(int *argc, char ***argv);
    GstMeta *gst_buffer_iterate_meta(GstBuffer *buffer, void **state);
    GstMeta *gst_buffer_get_meta(GstBuffer *buffer, GType api);
    gboolean gst_buffer_remove_meta(GstBuffer *buffer, GstMeta *meta);
    size_t gst_buffer_get_size(GstBuffer *buffer);
    void gst_buffer_remove_all_memory(GstBuffer *buffer);
    gboolean gst_buffer_copy_into(GstBuffer *to, GstBuffer *from, int flags, size_t offset, size_t size);
    const GstMetaInfo *gst_meta_get_info(const char *name);
    const GstMetaInfo *gst_meta_register_custom(const char *name, const char **tags, void *f, void *data, void *destroy);
    gboolean gst_meta_api_type_has_tag(GType api, GQuark tag);
    void *gst_buffer_add_custom_meta(GstBuffer *buffer, const char *name);
    void *gst_custom_meta_get_structure(void *meta);
    GQuark g_quark_from_string(const char *text);

    void gst_structure_set(void *structure, const char *field, ...);
    const char *gst_structure_get_name(void *structure);
    const char *gst_structure_get_string(void *structure, const char *field);
    gboolean gst_structure_get_int(void *structure, const char *field, int *value);
    gboolean gst_structure_get_double(void *structure, const char *field, double *value);
    gboolean gst_structure_get_uint64(void *structure, const char *field, uint64_t *value);
    void gst_structure_remove_field(void *structure, const char *field);
    void *gst_structure_new_empty(const char *name);

    GstVideoRegionOfInterestMeta *gst_buffer_add_video_region_of_interest_meta(
        GstBuffer *buffer, const char *type, unsigned x, unsigned y, unsigned w, unsigned h);
    void gst_video_region_of_interest_meta_add_param(GstVideoRegionOfInterestMeta *meta, void *structure);
    GType gst_video_region_of_interest_meta_api_get_type(void);
    GType gst_video_meta_api_get_type(void);

    void *_gst_debug_category_new(const char *name, unsigned color, const char *description);
    int gst_debug_category_get_threshold(void *category);
    void gst_debug_category_set_threshold(void *category, int level);
    void gst_debug_log_literal(
        void *category, int level, const char *file, const char *function, int line, void *object, const char *message);
""")

# Libraries are never closed: callbacks and types that live in them stay.
FLAGS = ffi.RTLD_NOW | ffi.RTLD_GLOBAL | ffi.RTLD_NODELETE
glib: Any = ffi.dlopen("libgobject-2.0.so.0", FLAGS)
gst: Any = ffi.dlopen("libgstreamer-1.0.so.0", FLAGS)
video: Any = ffi.dlopen("libgstvideo-1.0.so.0", FLAGS)

# Types of metas that are asked for earlier than this are registered without their tags.
gst.gst_init(ffi.NULL, ffi.NULL)

# GLib's fundamental types, as numbers that never change.
G_TYPE_INT, G_TYPE_UINT64, G_TYPE_DOUBLE, G_TYPE_STRING = (number << 2 for number in (6, 11, 15, 16))


# Types that are needed for every buffer; looking one up by its text costs more than the call that it is for.
BUFFER, POINTER, ADDRESS = (ffi.typeof(name) for name in ("GstBuffer *", "void *", "uintptr_t"))
CHARS, STATE = ffi.typeof("char[]"), ffi.typeof("void *[1]")


def text(pointer: Any) -> str:
    """Return the text at a ``char *``, the empty text for NULL; bytes that are no UTF-8 are replaced."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


def bytes_of(value: str) -> bytes:
    """Return a text as C takes it: in UTF-8, without lone surrogates and NULs."""
    return value.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")


def buffer_at(address: int) -> Any:
    """Return the ``GstBuffer *`` at an address (``hash(buffer)``)."""
    return ffi.cast(BUFFER, address)
